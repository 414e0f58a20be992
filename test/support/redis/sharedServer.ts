/** One Redis server for all tests of a file. */
import { Effect, Exit, Scope } from "effect"
import { afterAll } from "vitest"
import * as RedisServer from "./RedisServer.ts"

/** Starts it where the file begins; it is gone when the file's tests are done. */
export const sharedServer = async (options?: RedisServer.Options): Promise<RedisServer.RedisServer> => {
  const scope = Scope.makeUnsafe()
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.runPromise(Scope.provide(RedisServer.make(options), scope))
}
