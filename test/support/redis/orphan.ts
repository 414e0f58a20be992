/** A program that starts a server in a given directory, prints its process id, and ends without a chance to stop it. */
import { Effect } from "effect"
import * as RedisServer from "./RedisServer.ts"

const program = Effect.gen(function*() {
  const { freeze, pid } = yield* RedisServer.make({ dir: process.argv[2] })
  yield* freeze
  process.stdout.write(`${pid()}\n`, () => process.kill(process.pid, "SIGKILL"))
  return yield* Effect.never
})

void Effect.runPromise(Effect.scoped(program))
