// Adds to the lock files the optional packages of other platforms that npm left out. npm does so when the registry it
// talks to does not have them, and `npm ci` then refuses the lock file everywhere.
import { readFileSync, writeFileSync } from "node:fs"

interface Package {
  readonly version?: string
  readonly dev?: boolean
  readonly license?: string
  readonly optional?: boolean
  readonly cpu?: ReadonlyArray<string>
  readonly libc?: ReadonlyArray<string>
  readonly os?: ReadonlyArray<string>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const platform = /(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z0-9]+)/

const complete = (file: string) => {
  const path = new URL(`../${file}`, import.meta.url)
  const lock: { packages: Record<string, Package> } = JSON.parse(readFileSync(path, "utf8"))
  const missing = missingOf(lock.packages)
  lock.packages = Object.fromEntries(
    Object.entries({ ...lock.packages, ...Object.fromEntries(missing) }).sort(([a], [b]) => a < b ? -1 : 1)
  )
  writeFileSync(path, `${JSON.stringify(lock, undefined, 2)}\n`)
  console.log(`${file}: ${missing.length} packages of other platforms added`)
}

const missingOf = (packages: Readonly<Record<string, Package>>) =>
  Object.entries(packages).flatMap(([name, { dev, license, optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([dependency]) => {
        const place = `node_modules/${dependency}`
        return packages[place] === undefined && packages[`${name}/${place}`] === undefined
      })
      .flatMap(([dependency, range]): ReadonlyArray<readonly [string, Package]> => {
        const [, os, cpu] = platform.exec(dependency) ?? []
        if (os === undefined || cpu === undefined) return []
        const libc = /musl/.test(dependency) ? "musl" : /gnu|glibc/.test(dependency) ? "glibc" : undefined
        return [[`node_modules/${dependency}`, {
          version: range.replace(/^[~^]/, ""),
          cpu: [cpu],
          ...(dev === undefined ? {} : { dev }),
          ...(license === undefined ? {} : { license }),
          optional: true,
          ...(libc === undefined ? {} : { libc: [libc] }),
          os: [os]
        }]]
      })
  )

for (const file of ["package-lock.json", "test/clients/package-lock.json"]) complete(file)
