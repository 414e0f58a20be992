/** Where the redis-server program is. A machine without one gets it or an error, never a skipped test. */
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

export const findRedisServer = (machine: Machine = thisMachine): string => {
  const chosen = machine.env["REDIS_SERVER"]
  if (chosen !== undefined && chosen !== "") {
    if (machine.isExecutable(chosen)) return chosen
    throw new Error(`REDIS_SERVER is ${chosen}, which is not an executable file`)
  }
  const found = onPath(machine)
  if (found !== undefined) return found
  if (!machine.isRoot || !isDebian(machine)) throw missing("there is no redis-server on the PATH")

  machine.say("redis-server is missing: installing it with apt-get")
  try {
    machine.aptGet("update")
    machine.aptGet("install", "-y", "--no-install-recommends", "redis-server")
  } catch (error) {
    throw missing(`apt-get could not install redis-server (${lastLine(error)})`)
  }
  const installed = onPath(machine)
  if (installed === undefined) throw missing("apt-get installed redis-server, but it is not on the PATH")
  return installed
}

const missing = (what: string) =>
  new Error(
    `${what}: install Redis 6.2 or later (apt-get install redis-server, dnf install redis, brew install redis), `
      + "or set REDIS_SERVER to the path of the program"
  )

const onPath = ({ env, isExecutable }: Machine) =>
  (env["PATH"] ?? "").split(delimiter)
    .filter((directory) => directory !== "")
    .map((directory) => join(directory, "redis-server"))
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

/** The package starts a service on the default port: Debian's policy file is how one says no. */
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
