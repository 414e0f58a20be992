// What an entry of the package declares, without comments, as text to review: its modules as the compiler declares
// them, and the internal ones that they name, since a user's types follow those too.
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, posix } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))

/** The reports by the name of their file in `docs/api/`. */
export const apiReports = (): ReadonlyMap<string, string> => {
  const declarations = mkdtempSync(join(tmpdir(), "declarations-"))
  try {
    declare(declarations)
    const files = readdirSync(declarations, { recursive: true, encoding: "utf8" }).map((path) =>
      path.replaceAll("\\", "/")
    )
    const read = (path: string) => readFileSync(join(declarations, path), "utf8")
    return new Map(
      entries().map((entry) => {
        const folder = posix.dirname(entry)
        const modules = files.filter((path) => posix.dirname(path) === folder && path.endsWith(".d.ts")).sort()
        const name = folder === "." ? "effect-resilience" : `effect-resilience/${folder}`
        return [`${folder === "." ? "index" : folder}.api.md`, report(name, modules, read)]
      })
    )
  } finally {
    rmSync(declarations, { recursive: true, force: true })
  }
}

const declare = (folder: string): void => {
  const options = ["--removeComments", "--emitDeclarationOnly", "--declarationMap", "false", "--sourceMap", "false"]
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  execFileSync(process.execPath, [tsc, "-p", "src", ...options, "--outDir", folder], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"]
  })
}

/** The declarations of the entries, such as `ai/index.d.ts`. */
const entries = (): ReadonlyArray<string> => {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, string | null>>
  }
  return Object.values(exports)
    .filter((target) => target?.endsWith("/index.js") === true)
    .map((target) => posix.relative("dist", target!).replace(/\.js$/, ".d.ts"))
}

const report = (name: string, modules: ReadonlyArray<string>, read: (path: string) => string): string => {
  const section = (path: string) => `## ${path.replace(/\.d\.ts$/, "")}\n\n\`\`\`ts\n${read(path).trim()}\n\`\`\`\n`
  const named = internalsOf(modules, read)
  return [
    `# ${name}\n`,
    "Written by `npm run api`. A difference here is a change of the public API: review it as one.\n",
    ...modules.map(section),
    ...(named.length > 0 ? ["# Named by these, but not to be imported\n", ...named.map(section)] : [])
  ].join("\n")
}

const internalsOf = (modules: ReadonlyArray<string>, read: (path: string) => string): ReadonlyArray<string> => {
  const found = new Set<string>()
  const visit = (path: string): void => {
    for (const [, specifier] of read(path).matchAll(/(?:from |import\()"(\.[^"]+)\.ts"/g)) {
      const imported = `${posix.join(dirname(path), specifier!)}.d.ts`
      if (!imported.includes("internal/") || found.has(imported)) continue
      found.add(imported)
      visit(imported)
    }
  }
  modules.forEach(visit)
  return Array.from(found).sort()
}
