// What comes with the package when a user installs it.
import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"

const root = new URL("../../", import.meta.url)
const json = (path: string) => JSON.parse(readFileSync(new URL(path, root), "utf8"))

interface Locked {
  readonly dev?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const manifest = json("package.json")
const locked: Readonly<Record<string, Locked>> = json("package-lock.json").packages

/** A package and all that it brings along. */
const closure = (name: string, found = new Set<string>()): ReadonlySet<string> => {
  const lock = locked[`node_modules/${name}`]
  if (lock === undefined || found.has(name)) return found
  found.add(name)
  for (const next of Object.keys({ ...lock.dependencies, ...lock.optionalDependencies })) closure(next, found)
  return found
}

/** Licences that ask for no more than to be named. */
const permissive = ["MIT", "Apache-2.0", "ISC", "BSD-2-Clause", "BSD-3-Clause", "0BSD"]

describe("the package", () => {
  it("brings nothing along, and asks for effect and, where they are used, ioredis and @effect/sql-pg", () => {
    assert.notProperty(manifest, "dependencies")
    assert.notProperty(manifest, "optionalDependencies")
    assert.notProperty(manifest, "bundledDependencies")
    assert.deepStrictEqual(Object.keys(manifest.peerDependencies), ["@effect/sql-pg", "effect", "ioredis"])
    const optional = { optional: true }
    assert.deepStrictEqual(manifest.peerDependenciesMeta, { "@effect/sql-pg": optional, ioredis: optional })
  })

  it("runs nothing when it is installed", () => {
    const scripts = Object.keys(manifest.scripts)
    for (const hook of ["preinstall", "install", "postinstall"]) assert.notInclude(scripts, hook)
  })

  for (const peer of ["@effect/sql-pg", "effect", "ioredis"]) {
    it(`asks for nothing whose licence asks for more than to be named: ${peer}`, () => {
      const names = closure(peer)
      assert.include([...names], peer)
      for (const name of names) assert.include(permissive, json(`node_modules/${name}/package.json`).license, name)
    })
  }
})
