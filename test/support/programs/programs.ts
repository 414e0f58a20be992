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

export const postgres: Program = {
  name: "postgres",
  variable: "POSTGRES",
  debianPackage: "postgresql",
  elsewhere: "dnf install postgresql-server, brew install postgresql, or start one and set PG_URL to it"
}

/** What the tests of each project run. */
export const programsOf: Readonly<Record<string, ReadonlyArray<Program>>> = {
  fast: [promtool, jq],
  redis: [redisServer],
  browser: [chromium],
  fleet: [redisServer],
  e2e: [redisServer, prometheus, promtool]
}
