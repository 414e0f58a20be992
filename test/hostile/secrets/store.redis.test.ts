import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Stream } from "effect"
import { CircuitBreaker, LlmOutcome, LlmStream, TripPolicy } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { RecordedEvents } from "effect-resilience/testing"
import { Redis } from "ioredis"
import { eventually } from "../../support/eventually.ts"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import { answer, body, canary, errors, leaksIn, prompt } from "./canaries.ts"
import { assertClean, assertSilent, faces, inSpan, listening, type Written } from "./sinks.ts"

const key = "provider-shared"
const password = canary("password")

/** A server that wants a password, and a client that hears all that is published there. */
const server = Effect.gen(function*() {
  const server = yield* RedisServer.make()
  yield* server.command("ACL", "SETUSER", "app", "on", `>${password}`, "~*", "&*", "+@all")
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => new Redis({ port: server.port }).on("error", () => {})),
    (client) => Effect.sync(() => client.disconnect())
  )
  const messages: Array<string> = []
  client.on("pmessage", (...message) => void messages.push(message.join(" ")))
  yield* Effect.promise(() => client.psubscribe("*"))
  const url = server.url.replace("//", `//app:${password}@`)
  const written: Effect.Effect<Written> = Effect.gen(function*() {
    const keys = (yield* server.command("KEYS", "*")) as ReadonlyArray<string>
    const records = yield* Effect.forEach(
      keys,
      (key) =>
        Effect.map(Effect.exit(server.command("HGETALL", key)), (exit) => Exit.isSuccess(exit) ? exit.value : "a pulse")
    )
    return {
      "the keys in Redis": keys.join("\n"),
      "the records in Redis": JSON.stringify([keys, records]),
      "the messages in Redis": messages.join("\n")
    }
  }).pipe(Effect.orDie)
  return { ...server, url, written }
})

const store = (url: string) =>
  RedisCircuitStore.layer({
    url,
    operationTimeout: "2 seconds",
    maxStaleness: "200 millis",
    flushInterval: "20 millis"
  })

const policy = {
  tripPolicy: TripPolicy.anyOf(TripPolicy.consecutive(3), TripPolicy.failureRate({ threshold: 1, window: 100 })),
  openDuration: "20 millis"
} as const

describe("a store on Redis", () => {
  it.live("has nothing of calls in its keys, its records and its messages", () =>
    Effect.gen(function*() {
      const { url, written: inRedis } = yield* server
      const { layer, written } = listening(policy, store(url))
      yield* Effect.gen(function*() {
        for (const error of Object.values(errors)) {
          for (const end of [Effect.fail(error), Effect.die(error), Effect.succeed(error)]) {
            yield* inSpan(end.pipe(CircuitBreaker.execute({ key, classify: LlmOutcome.classify })))
          }
          const stream = Stream.concat(Stream.make<Array<unknown>>(answer), Stream.fail(error))
          yield* inSpan(Stream.runDrain(stream.pipe(CircuitBreaker.stream({ key, classifyPart: LlmStream.openAi }))))
          yield* CircuitBreaker.reset(key)
        }
        const recorded = yield* RecordedEvents.RecordedEvents
        assert.includeMembers([...new Set(yield* recorded.names)], ["circuit.opened", "circuit.reset"])
        assertSilent(yield* written(key), key)
        assertSilent(yield* inRedis, key)
      }).pipe(Effect.provide(layer))
    }))

  it.live("has the words of operators, which the same look finds", () =>
    Effect.gen(function*() {
      const { url, written } = yield* server
      yield* Effect.gen(function*() {
        yield* CircuitBreaker.forceOpen(key, { reason: canary("note"), actor: canary("actor") })
        const { "the records in Redis": records = "" } = yield* written
        assert.includeMembers([...leaksIn(records)], [canary("note"), canary("actor")])
      }).pipe(Effect.provide(CircuitBreaker.layer(policy).pipe(Layer.provide(store(url)))))
    }))

  it.live("tells of a wrong password, and of a server that is gone, without it", () =>
    Effect.gen(function*() {
      const { kill, url: right } = yield* server
      const wrong = right.replace(password, `${password}-wrong`)
      for (const [url, strikes, code] of [[wrong, Effect.void, "WRONGPASS"], [right, kill, ""]] as const) {
        const { layer, written } = listening(policy, store(url))
        yield* Effect.gen(function*() {
          yield* inSpan(Effect.fail(prompt).pipe(CircuitBreaker.execute({ key })))
          yield* strikes
          yield* inSpan(Effect.fail(body).pipe(CircuitBreaker.execute({ key })))
          const recorded = yield* RecordedEvents.RecordedEvents
          yield* eventually(Effect.map(recorded.of("store.degraded"), (events) => events.length > 0))
          const [degraded] = yield* recorded.of("store.degraded")
          assert.include(degraded?.error, code)
          assertSilent(yield* written(key), key)
        }).pipe(Effect.provide(layer))
      }
    }))

  it.live("that a program does not start without is missed without a word of its password", () =>
    Effect.gen(function*() {
      const url = `redis://app:${password}@127.0.0.1:1`
      const layer = RedisCircuitStore.layer({ url, requireConnection: true, connectTimeout: "50 millis" })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.strictEqual(error._tag, "StoreUnavailable")
      assertClean(faces(error))
    }))

  it.live("turns a URL down without showing it", () =>
    Effect.gen(function*() {
      const urls = [
        `redis://app:${password}@host:99999999`,
        `redis://app:${password}@ho st`,
        `redis://app:${password}@[::1`,
        `redis://app:${password}%zz@127.0.0.1:1`,
        `redis://${password}`,
        `http://app:${password}@host`,
        `app:${password}@host`,
        password
      ]
      let refused = 0
      for (const url of urls) {
        const layer = Layer.fresh(RedisCircuitStore.layer({ url, connectTimeout: "10 millis" }))
        const exit = yield* Effect.exit(Effect.scoped(Layer.build(layer)))
        if (Exit.isSuccess(exit)) continue
        refused++
        for (const reason of exit.cause.reasons) {
          assertClean(faces(reason._tag === "Die" ? reason.defect : reason))
        }
      }
      assert.isAtLeast(refused, 5)
    }))
})
