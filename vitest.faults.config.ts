import { defineConfig } from "vitest/config"
import { scale } from "./test/gateway/faults/storyTime.ts"
import config from "./vitest.config.ts"

// The gateway against every fault of a provider, over real HTTP and in hurried time. FAULTS_SCALE=1 takes it as it is.
export default defineConfig({
  ...config,
  test: {
    ...config.test,
    include: ["test/**/*.faults.ts"],
    globalSetup: [],
    maxWorkers: 3,
    testTimeout: 30_000 + 300_000 / scale
  }
})
