import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const path = (of: string) => fileURLToPath(new URL(of, import.meta.url))

const redis = ["test/redis/**/*.test.ts", "test/support/redis/*.test.ts", "test/**/*.redis.test.ts"]
const postgres = ["test/postgres/**/*.test.ts", "test/support/postgres/*.test.ts"]
const browser = ["test/**/*.browser.test.ts"]
const packed = ["test/package/*.test.ts"]

// Programs that are not npm packages, by project, are in test/support/programs/programs.ts.
const programs = "test/support/programs/setup.ts"
const clients = "test/clients/install.ts"

// CONTRIBUTING.md says what each project is for, and when it runs. Every test file belongs to one of them.
export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-resilience$/, replacement: path("src/index.ts") },
      { find: /^effect-resilience\/(ai|console|http|postgres|redis|testing)$/, replacement: path("src/$1/index.ts") },
      { find: /^effect-resilience\/(.+)$/, replacement: path("src/$1.ts") }
    ]
  },
  test: {
    // A machine may be busy: what a test has to be quick at, it says itself.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One more than processors of a small machine, since tests with Redis wait for most of their time.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: ["**/node_modules/**", ...redis, ...postgres, ...browser, ...packed],
          globalSetup: [programs, clients],
          // A worker imports Effect and the library once for all its files: none may leave anything behind in modules.
          isolate: false
        }
      },
      { extends: true, test: { name: "redis", include: redis, globalSetup: [programs] } },
      {
        extends: true,
        test: { name: "postgres", include: postgres, globalSetup: ["test/support/postgres/server.ts"] }
      },
      { extends: true, test: { name: "browser", include: browser, globalSetup: [programs] } },
      { extends: true, test: { name: "package", include: packed } },
      // Every file of these keeps all processors busy with processes of its own.
      {
        extends: true,
        test: { name: "fleet", include: ["test/**/*.fleet.ts"], globalSetup: [programs], fileParallelism: false }
      },
      // The gateway as a process, against every fault of a provider, over real HTTP and in hurried time.
      {
        extends: true,
        test: {
          name: "faults",
          include: ["test/**/*.faults.ts"],
          setupFiles: ["test/gateway/faults/timeout.ts"],
          sequence: { groupOrder: 1 }
        }
      },
      // What the metrics promise, seen by a real Prometheus.
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/**/*.e2e.ts"],
          globalSetup: [programs],
          fileParallelism: false,
          testTimeout: 60_000
        }
      }
    ]
  }
})
