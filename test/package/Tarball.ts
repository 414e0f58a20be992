import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** What `npm publish` would send. */
export interface Tarball {
  readonly path: string
  readonly files: ReadonlyArray<string>
  readonly remove: () => void
}

const root = fileURLToPath(new URL("../../", import.meta.url))

// What it is built from and what it brings, beside its dependencies.
const needed = [
  "package.json",
  "tsconfig.json",
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
  "dashboards",
  "src"
]

/** Packs a copy, since a build begins without `dist`, and other tests run from there. */
export const pack = (): Tarball => {
  const folder = mkdtempSync(join(tmpdir(), "tarball-"))
  const copy = join(folder, "copy")
  mkdirSync(copy)
  for (const path of needed) cpSync(join(root, path), join(copy, path), { recursive: true })
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"))
  execFileSync("npm", ["run", "-s", "prepack"], { cwd: copy, stdio: ["ignore", "inherit", "inherit"] })
  const [{ filename, files }] = JSON.parse(
    execFileSync("npm", ["pack", "--json", "--ignore-scripts"], { cwd: copy, encoding: "utf8" })
  ) as [{ readonly filename: string; readonly files: ReadonlyArray<{ readonly path: string }> }]
  return {
    path: join(copy, filename),
    files: files.map(({ path }) => path),
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}
