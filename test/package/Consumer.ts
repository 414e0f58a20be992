import { execFile, execFileSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Tarball } from "./Tarball.ts"

/**
 * A project that has installed the package, and can import nothing else than what it has installed.
 *
 * - `install`: adds packages, with what they depend on.
 * - `add`: more programs, in a folder of their own.
 * - `typeCheck`: what a compiler says of all programs, and of every declaration that they reach.
 * - `run`: what a program prints.
 */
export interface Consumer {
  readonly install: (...packages: ReadonlyArray<string>) => void
  readonly add: (programs: Programs) => void
  readonly typeCheck: (compiler: Compiler) => Promise<Output>
  readonly run: (node: string, program: string) => Promise<Output>
  readonly remove: () => void
}

/** How a process ended, 0 if it ended well, and what it said. */
export interface Output {
  readonly ended: unknown
  readonly stdout: string
  readonly stderr: string
}

const root = fileURLToPath(new URL("../../", import.meta.url))

/** The newest compiler, and the oldest that is promised. */
export const compilers = {
  "TypeScript 7": join(root, "node_modules/typescript/bin/tsc"),
  "TypeScript 5.9": join(root, "test/package/typescript5/node_modules/typescript/bin/tsc")
}

export type Compiler = keyof typeof compilers

/** A folder of this repository. */
type Programs = `test/${"types" | "package/consumer" | "package/mistakes"}`

// As strict as a user's compiler can be, and without the types of Node.
const compilerOptions = {
  target: "ES2022",
  module: "NodeNext",
  strict: true,
  exactOptionalPropertyTypes: true,
  allowImportingTsExtensions: true,
  types: [],
  noEmit: true
}

export const make = (tarball: Tarball, programs: Programs): Consumer => {
  const folder = mkdtempSync(join(tmpdir(), "consumer-"))
  cpSync(join(root, programs), folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }))
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions }))
  const own = join(folder, "node_modules/effect-resilience")
  mkdirSync(own, { recursive: true })
  execFileSync("tar", ["-xzf", tarball.path, "--strip-components=1", "-C", own])

  // From where this repository has them, so that nothing is downloaded.
  const install = (...packages: ReadonlyArray<string>): void => {
    for (const name of packages) {
      const target = join(folder, "node_modules", name)
      if (existsSync(target)) continue
      cpSync(join(root, "node_modules", name), target, { recursive: true, dereference: true })
      const { dependencies = {} } = JSON.parse(readFileSync(join(target, "package.json"), "utf8")) as {
        readonly dependencies?: Readonly<Record<string, string>>
      }
      install(...Object.keys(dependencies))
    }
  }

  const execute = (command: string, ...args: ReadonlyArray<string>) =>
    new Promise<Output>((resolve) =>
      execFile(
        command,
        args,
        { cwd: folder, timeout: 5 * 60_000, maxBuffer: 2 ** 24 },
        (error, stdout, stderr) =>
          resolve({ ended: error === null ? 0 : error.code ?? error.signal, stdout: stdout.trim(), stderr })
      )
    )

  return {
    install,
    add: (programs) => cpSync(join(root, programs), join(folder, basename(programs)), { recursive: true }),
    typeCheck: (compiler) => execute(process.execPath, compilers[compiler], "-p", "."),
    run: (node, program) => execute(node, program),
    remove: () => rmSync(folder, { recursive: true, force: true })
  }
}
