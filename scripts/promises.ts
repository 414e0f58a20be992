/** Which tests show each promise of docs/promises.md: their names begin with its id. */
import { readdirSync, readFileSync } from "node:fs"

const tests = new URL("../test/", import.meta.url)

/** Not files whose texts name ids without being tests of them, nor programs that other tests write and remove. */
const isTest = (path: string) =>
  path.endsWith(".ts") && !/(?:^|\/)(?:\.docs|node_modules|mutants|documents)\//.test(path)

/** The files by the ids in their texts, comments left out. */
export const filesById = (): ReadonlyMap<string, ReadonlyArray<string>> => {
  const found = new Map<string, Array<string>>()
  for (const path of readdirSync(tests, { recursive: true, encoding: "utf8" }).filter(isTest).sort()) {
    const code = readFileSync(new URL(path, tests), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "")
    for (const id of new Set(code.match(/\b[IW]\d{1,3}\b/g))) found.set(id, [...found.get(id) ?? [], path])
  }
  return found
}

/** The ids of the document, in its order. */
export const idsOf = (document: string): ReadonlyArray<string> =>
  Array.from(document.matchAll(/^\| ([IW]\d+) \|/gm), ([, id]) => id!)

/** The document with its last column as the tests have it. */
export const withFiles = (document: string): string => {
  const files = filesById()
  return document.replaceAll(
    /^\| ([IW]\d+) \| (.*?) \|.*\|$/gm,
    (_, id: string, promise: string) => `| ${id} | ${promise} | ${(files.get(id) ?? []).map(code).join(", ")} |`
  )
}

const code = (path: string) => `\`test/${path}\``
