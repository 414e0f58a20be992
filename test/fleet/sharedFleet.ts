/** One fleet and one Redis server for all tests of a file. */
import { Effect, Exit, Scope } from "effect"
import { afterAll } from "vitest"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as Fleet from "./Fleet.ts"

/** Starts them where the file begins; they are gone when the file's tests are done. */
export const sharedFleet = async () => {
  const scope = Scope.makeUnsafe()
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const both = Effect.all({ fleet: Fleet.make(), redis: RedisServer.make() }, { concurrency: "unbounded" })
  return Effect.runPromise(Scope.provide(both, scope))
}
