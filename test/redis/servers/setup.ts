import { findRedisServer } from "./findRedisServer.ts"

/** Vitest's global setup: one search, or one installation, for all workers, which inherit the environment. */
export const setup = () => {
  process.env["REDIS_SERVER"] = findRedisServer()
}
