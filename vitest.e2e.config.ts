import { defineConfig } from "vitest/config"
import config from "./vitest.config.ts"

// What the metrics promise, seen by a real Prometheus.
export default defineConfig({
  ...config,
  test: { ...config.test, include: ["test/**/*.e2e.ts"], fileParallelism: false, testTimeout: 60_000 }
})
