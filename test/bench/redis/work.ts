/** What a Redis server did, by its own counts. */
import { Effect } from "effect"
import type { RedisServer } from "../../support/redis/RedisServer.ts"

/** Commands, those inside of scripts included; the scripts among them, and how long those took. */
export interface Work {
  readonly commands: number
  readonly scripts: number
  readonly scriptMicros: number
}

/** An effect, with the work it made and the time it took. */
export const observed = Effect.fnUntraced(function*<A>(server: RedisServer, self: Effect.Effect<A>) {
  const before = yield* read(server)
  const start = performance.now()
  const value = yield* self
  const millis = performance.now() - start
  const after = yield* read(server)
  const work: Work = {
    commands: after.commands - before.commands,
    scripts: after.scripts - before.scripts,
    scriptMicros: after.scriptMicros - before.scriptMicros
  }
  return { value, work, millis }
})

const read = (server: RedisServer) =>
  Effect.orDie(Effect.map(server.command("INFO", "commandstats"), (info): Work => {
    let [commands, scripts, scriptMicros] = [0, 0, 0]
    for (const [, name, calls, micros] of String(info).matchAll(/^cmdstat_(.+?):calls=(\d+),usec=(\d+)/gm)) {
      // The question itself.
      if (name === "info") continue
      commands += Number(calls)
      if (name !== "evalsha" && name !== "eval") continue
      scripts += Number(calls)
      scriptMicros += Number(micros)
    }
    return { commands, scripts, scriptMicros }
  }))
