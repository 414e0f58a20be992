/** The programs that the tests run beside their own. */
import type { Program } from "./findProgram.ts"

export const redisServer: Program = {
  name: "redis-server",
  variable: "REDIS_SERVER",
  debianPackage: "redis-server",
  elsewhere: "dnf install redis, brew install redis; 6.2 or later"
}

export const prometheus: Program = {
  name: "prometheus",
  variable: "PROMETHEUS",
  debianPackage: "prometheus",
  elsewhere: "brew install prometheus, or a release from prometheus.io"
}

export const promtool: Program = { ...prometheus, name: "promtool", variable: "PROMTOOL" }

export const chromium: Program = {
  name: "chromium",
  variable: "CHROMIUM",
  debianPackage: "chromium",
  elsewhere: "dnf install chromium, or set it to any Chrome"
}

export const jq: Program = {
  name: "jq",
  variable: "JQ",
  debianPackage: "jq",
  elsewhere: "dnf install jq, brew install jq"
}

/** The program that makes a server's directory. That of the server lies beside it. */
export const initdb: Program = {
  name: "initdb",
  variable: "INITDB",
  debianPackage: "postgresql",
  directories: [18, 17, 16, 15, 14].map((version) => `/usr/lib/postgresql/${version}/bin`),
  elsewhere: "dnf install postgresql-server, brew install postgresql, or set PG_URL to a server that runs"
}

/** What the tests of each project run. */
export const programsOf: Readonly<Record<string, ReadonlyArray<Program>>> = {
  fast: [promtool, jq],
  redis: [redisServer],
  browser: [chromium],
  fleet: [redisServer],
  e2e: [redisServer, prometheus, promtool]
}
