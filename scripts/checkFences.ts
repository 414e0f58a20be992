// Type-checks every TypeScript fence of the documents and of the doc comments in src as a program of its own, which it
// is to a user who copies it. Run it: npm run check
import { spawnSync } from "node:child_process"
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { documents, root, sources } from "../test/documents/documents.ts"
import { type Fence, fencesOf } from "./fences.ts"

const folder = join(root, ".fences")
rmSync(folder, { recursive: true, force: true })

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

/** With the values that comments promise as code, because imports may be there for them. */
const withValues = (code: string): string => code.replaceAll(/^(.+?) \/\/ => (.+)$/gm, "$1; void ($2)")

/** Writes a file whose lines have the numbers that they have in the document. */
const writeFence = ({ code, document, line }: Fence): string => {
  const path = `${document}.${line}.ts`
  write(path, `${"\n".repeat(line - 1)}${withValues(code)}`)
  return path
}

const files = [...documents, ...Array.from(sources.keys(), (path) => `src/${path}`)]
  .flatMap(fencesOf)
  .filter(({ language }) => language === "ts")
  .map(writeFence)

// The README shows programs of examples, and those import what lies beside them, and clients that are installed there.
const compilerOptions = { rootDirs: [".", "../examples"] }
symlinkSync("../examples/node_modules", join(folder, "node_modules"), "junction")
write("tsconfig.json", JSON.stringify({ extends: "../tsconfig.json", compilerOptions, files, include: [] }))

const tsc = join(root, "node_modules/typescript/bin/tsc")
const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder, "--pretty", "false"], {
  cwd: root,
  encoding: "utf8",
  stdio: ["ignore", "pipe", "inherit"]
})
process.stdout.write(stdout.replaceAll(/^\.fences\/(.+)\.\d+\.ts\((\d+),\d+\)/gm, "$1:$2"))
process.exitCode = status === 0 && stdout === "" ? 0 : 1
