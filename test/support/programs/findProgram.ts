/** Where a program is. A machine without it gets it or an error, never a skipped test. */
import { execFileSync } from "node:child_process"
import { accessSync, constants, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"

/** What the search asks of a machine, and does to it. */
export interface Machine {
  readonly env: { readonly [name: string]: string | undefined }
  readonly isRoot: boolean
  readonly osRelease: () => string
  readonly isExecutable: (path: string) => boolean
  readonly aptGet: (...args: ReadonlyArray<string>) => void
  readonly say: (line: string) => void
}

/**
 * A program that is not an npm package. `variable` names it where it is elsewhere than on the PATH, `debianPackage`
 * brings it, into one of `directories` if not on the PATH, and `elsewhere` tells how to get it without Debian's packages.
 */
export interface Program {
  readonly name: string
  readonly variable: string
  readonly debianPackage: string
  readonly directories?: ReadonlyArray<string>
  readonly elsewhere: string
}

export const findProgram = (program: Program, machine: Machine = thisMachine): string => {
  const { debianPackage, name, variable } = program
  const chosen = machine.env[variable]
  if (chosen !== undefined && chosen !== "") {
    if (machine.isExecutable(chosen)) return chosen
    throw new Error(`${variable} is ${chosen}, which is not an executable file`)
  }
  const found = onPath(program, machine)
  if (found !== undefined) return found
  if (!machine.isRoot || !isDebian(machine)) throw missing(program, `there is no ${name} on the PATH`)

  machine.say(`${name} is missing: installing ${debianPackage} with apt-get`)
  try {
    machine.aptGet("update")
    machine.aptGet("install", "-y", "--no-install-recommends", debianPackage)
  } catch (error) {
    throw missing(program, `apt-get could not install ${debianPackage} (${lastLine(error)})`)
  }
  const installed = onPath(program, machine)
  if (installed === undefined) {
    throw missing(program, `apt-get installed ${debianPackage}, but there is no ${name} on the PATH`)
  }
  return installed
}

const missing = ({ debianPackage, elsewhere, variable }: Program, what: string) =>
  new Error(
    `${what}: install it (apt-get install ${debianPackage}, ${elsewhere}), or set ${variable} to the path of the program`
  )

const onPath = ({ directories = [], name }: Program, { env, isExecutable }: Machine) =>
  [...(env["PATH"] ?? "").split(delimiter), ...directories]
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, name))
    .find(isExecutable)

const isDebian = ({ osRelease }: Machine) => /^ID(?:_LIKE)?=.*\b(?:debian|ubuntu)\b/m.test(osRelease())

const lastLine = (error: unknown) => {
  const { message, stderr } = error as { readonly message: string; readonly stderr?: string }
  return (stderr?.trim() || message).split("\n").at(-1)
}

const thisMachine: Machine = {
  env: process.env,
  isRoot: process.getuid?.() === 0,
  osRelease: () => existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "",
  isExecutable: (path) => {
    try {
      accessSync(path, constants.X_OK)
      return statSync(path).isFile()
    } catch {
      return false
    }
  },
  aptGet: (...args) =>
    withoutServices(() =>
      execFileSync("apt-get", args, {
        encoding: "utf8",
        stdio: "pipe",
        env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
      })
    ),
  say: (line) => process.stderr.write(`${line}\n`)
}

/** Packages start services on their default ports: Debian's policy file is how one says no. */
const withoutServices = (install: () => void) => {
  const policy = "/usr/sbin/policy-rc.d"
  if (existsSync(policy)) return install()
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  try {
    install()
  } finally {
    rmSync(policy)
  }
}
