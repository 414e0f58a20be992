/** How much of the server's memory a circuit takes. */
import { Effect } from "effect"
import type { RedisServer } from "../../support/redis/RedisServer.ts"
import { answering, expecting, failing } from "./calls.ts"
import type { Library } from "./libraries.ts"

/** Bytes of the records of three circuits, their keys and what Redis keeps of them included; 0 if there is none. */
export const recordBytes = (library: Library, server: RedisServer) =>
  Effect.gen(function*() {
    const prefix = `records-${library.name}`
    const settings = { url: server.url, prefix }
    const call = yield* library.breaker({ ...settings, trip: 2 })
    const windowed = yield* library.breaker({ ...settings, trip: "rate" })
    const bytes = (key: string) =>
      Effect.map(Effect.orDie(server.command("MEMORY", "USAGE", library.record(prefix, key), "SAMPLES", 0)), Number)
    const succeed = (key: string) => expecting("answer", call(answering, key))
    const fail = (key: string) => expecting("down", call(failing, key))

    yield* succeed("healthy")
    yield* fail("failing")
    yield* Effect.andThen(fail("open"), fail("open"))
    yield* Effect.repeat(expecting("answer", windowed(answering, "window")), { times: 99 })
    // The last hundred calls are reported a moment later.
    yield* Effect.sleep("300 millis")
    return {
      "record of a healthy circuit": yield* bytes("healthy"),
      "record after a failure": yield* bytes("failing"),
      "record of an open circuit": yield* bytes("open"),
      "record with a window of 100": yield* bytes("window")
    }
  })
