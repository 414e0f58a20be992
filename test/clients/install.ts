/**
 * Installs what `package.json` beside this file lists, where it is missing or the lock file has changed, and lets the
 * tests, the benchmarks and the examples import it. `src` cannot: it resolves from the root.
 */
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"

const folder = import.meta.dirname
const root = join(folder, "../..")
const installed = join(folder, "node_modules/.installed-lock.json")

/** Vitest's global setup of the projects whose tests drive clients. */
export const setup = (): void => {
  const lock = readFileSync(join(folder, "package-lock.json"), "utf8")
  if (existsSync(installed) && readFileSync(installed, "utf8") === lock) return
  try {
    execFileSync("npm", ["ci"], { cwd: folder, encoding: "utf8", stdio: "pipe" })
  } catch (error) {
    const { message, stderr } = error as { readonly message: string; readonly stderr?: string }
    const [why = message] = stderr?.match(/^npm error (?!code).+/m) ?? []
    const advice = "run npm ci --prefix test/clients"
    throw new Error(`the clients that tests drive are not installed (${why}): ${advice}`, { cause: error })
  }
  for (const user of ["test", "examples"]) link(join(root, user, "node_modules"))
  writeFileSync(installed, lock)
}

/** One link for each package that is listed, so that what these bring along is seen by nobody else. */
const link = (modules: string) => {
  rmSync(modules, { recursive: true, force: true })
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"))
  for (const name of Object.keys(dependencies)) {
    const place = join(modules, name)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(relative(dirname(place), join(folder, "node_modules", name)), place, "junction")
  }
}

if (import.meta.main) setup()
