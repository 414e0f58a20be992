/** The documents of the repository, and how to read what they say. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const root = fileURLToPath(new URL("../../", import.meta.url))

export const read = (path: string): string => readFileSync(join(root, path), "utf8")

/** All files and folders of the repository below one, folders with a slash at their end, but for what programs write. */
export const list = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .map((entry) => `${join(entry.parentPath, entry.name).slice(root.length)}${entry.isDirectory() ? "/" : ""}`)
    .filter((path) => !/(?:^|\/)(?:node_modules|\.docs)\//.test(path))

export const records = list("docs/decisions").filter((path) => /\/\d+-[\w-]+\.md$/.test(path))

/** What people wrote: the reports in docs/api are generated, and test/package holds them to src. */
export const documents = [...readdirSync(root), ...list("docs"), ...list("dashboards")]
  .filter((path) => path.endsWith(".md") && !path.startsWith("docs/api/"))

/** The TypeScript of the library, by path within `src`. */
export const sources = new Map(
  list("src").filter((path) => path.endsWith(".ts")).map((path) => [path.slice("src/".length), read(path)])
)

export const withoutFences = (text: string): string => text.replaceAll(/^```[\s\S]*?^```$/gm, "")

/** What stands in a text as code. */
export const codesOf = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/`([^`\n]+)`/g), ([, code]) => code!)

type Cells = readonly [string, string, ...ReadonlyArray<string>]

/** The rows of the table with this head, by their cells. */
export const tableOf = (text: string, head: string): ReadonlyArray<Cells> => {
  const [, table] = text.split(`\n| ${head} |\n`)
  if (table === undefined) throw new Error(`there is no table with the head "${head}"`)
  const cellsOf = (row: string) => row.split("|").slice(1, -1).map((cell) => cell.trim()) as [string, string]
  return table.split("\n\n")[0]!.trimEnd().split("\n").slice(1).map(cellsOf)
}
