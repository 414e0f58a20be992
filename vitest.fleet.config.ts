import { defineConfig } from "vitest/config"
import config from "./vitest.config.ts"

// Every file of these keeps all processors busy with processes of its own.
export default defineConfig({
  ...config,
  test: { ...config.test, include: ["test/**/*.fleet.ts"], fileParallelism: false }
})
