import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^effect-resilience$/, replacement: source("./src/index.ts") },
      { find: /^effect-resilience\/(ai|console|http|redis|testing)$/, replacement: source("./src/$1/index.ts") },
      { find: /^effect-resilience\/(.+)$/, replacement: source("./src/$1.ts") }
    ]
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/programs/setup.ts", "test/clients/install.ts"],
    // A machine may be busy: what a test has to be quick at, it says itself.
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
