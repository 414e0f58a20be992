/** The processes of a fleet whose Redis breaks, and what they do all day. */
import { assert } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Latch, Layer, Schedule, type Scope, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitError,
  type CircuitPolicy,
  type CircuitStore,
  Outcome,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { RecordedEvents } from "effect-resilience/testing"
import { Redis } from "ioredis"
import { vi } from "vitest"
import { eventually } from "../../support/eventually.ts"
import type * as RedisServer from "../../support/redis/RedisServer.ts"

// What is waited for here comes in a moment, but not on a machine that does something else.
vi.setConfig({ testTimeout: 20_000 })

/** With these an outage takes a moment, and a machine that does something else is none. */
export const settings = {
  operationTimeout: 500,
  maxStaleness: 300,
  lease: 400,
  flushInterval: 50,
  connectTimeout: 1000
} as const

const short: CircuitPolicy.CircuitPolicy = {
  tripPolicy: TripPolicy.consecutive(2),
  openDuration: "300 millis",
  gateJitter: 0
}
const long: CircuitPolicy.CircuitPolicy = { ...short, openDuration: "1 minute" }

/** Waits until a circuit that opened for the short time has a probe to give. */
export const cooldown = Effect.sleep("350 millis")

/**
 * One process of the fleet: a store of its own, a breaker on it, and what it announced.
 *
 * - `failed`: how many operations that its calls and circuits asked for have failed.
 * - `beats`: how many pulses it has sent.
 */
export interface Member {
  readonly breaker: CircuitBreaker.CircuitBreaker["Service"]
  readonly recorded: RecordedEvents.RecordedEvents["Service"]
  readonly failed: Effect.Effect<number>
  readonly beats: Effect.Effect<number>
}

/** Two failures open its circuits: for long if the key says so. */
export const member = <E, R>(
  store: Layer.Layer<CircuitStore.CircuitStore, E, R>
): Effect.Effect<Member, E, R | Scope.Scope> =>
  RecordedEvents.layer.pipe(
    Layer.provideMerge(CircuitBreaker.layer((key) => key.startsWith("long") ? long : short)),
    Layer.provide(Layer.fresh(store)),
    Layer.build,
    Effect.flatMap((services) => {
      const breaker = Context.get(services, CircuitBreaker.CircuitBreaker)
      let failed = 0
      let beats = 0
      return Effect.as(
        breaker.observe({
          name: "operations",
          onStoreOperation: (operation, _, error) => {
            if (operation === "pulse") beats++
            else if (error !== undefined) failed++
          }
        }),
        {
          breaker,
          recorded: Context.get(services, RecordedEvents.RecordedEvents),
          failed: Effect.sync(() => failed),
          beats: Effect.sync(() => beats)
        }
      )
    })
  )

/** A member whose server is at a port, or at a URL. */
export const memberAt = (
  server: number | string,
  options: RedisCircuitStore.Options & { readonly requireConnection?: false } = {}
): Effect.Effect<Member, never, Scope.Scope> => {
  const url = typeof server === "number" ? `redis://127.0.0.1:${server}` : server
  return member(RedisCircuitStore.layer({ url, ...settings, ...options }))
}

/** A member that listens by a way of its own, and does so when it starts. */
export const memberListeningAt = (
  commands: number,
  messages: () => number,
  options: RedisCircuitStore.Options & { readonly requireConnection?: false } = {}
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const client = new Redis({ port: commands, enableOfflineQueue: false, autoResendUnfulfilledCommands: false })
      const duplicate = client.duplicate.bind(client)
      client.duplicate = (options) => duplicate({ ...options, port: messages() })
      return client.on("error", () => {})
    }),
    (client) => Effect.sync(() => client.disconnect())
  ).pipe(Effect.flatMap((client) =>
    Effect.orDie(
      member(
        RedisCircuitStore.layer({
          client,
          ...settings,
          connectTimeout: "10 seconds",
          ...options,
          requireConnection: true
        })
      )
    )
  ))

/** The ways to call through a circuit. */
export const forms = {
  execute: <A, E>({ breaker }: Member, key: string, self: Effect.Effect<A, E>) => self.pipe(breaker.execute({ key })),
  stream: <A, E>({ breaker }: Member, key: string, self: Effect.Effect<A, E>) =>
    Effect.map(
      Stream.runCollect(breaker.stream(Stream.fromEffect(self), { key, classifyPart: StreamSignal.opaque })),
      ([value]) => value!
    ),
  acquire: <A, E>({ breaker }: Member, key: string, self: Effect.Effect<A, E>) =>
    Effect.scoped(
      Effect.flatMap(breaker.acquire(key), ({ settle }) =>
        Effect.onExit(self, (exit) =>
          settle(Exit.isSuccess(exit) ? Outcome.success : Outcome.failure("unknown"))))
    )
}

/** What a call comes to: its value, its own error, or the name of the rejection. */
export const call = <A, E>(member: Member, key: string, self: Effect.Effect<A, E>) =>
  Effect.match(forms.execute(member, key, self), {
    onFailure: (error) => error instanceof CircuitError.CircuitBreakerError ? error.reason._tag : error,
    onSuccess: (value) => value
  })

export const up = (member: Member, key: string) => call(member, key, Effect.succeed("hello"))

export const down = (member: Member, key: string) => call(member, key, Effect.fail("503"))

/** Opens a circuit. */
export const trip = (member: Member, key: string) => Effect.repeat(down(member, key), { times: 1 })

export const stateOf = ({ breaker }: Member, key: string) => Effect.map(breaker.state(key), ({ _tag }) => _tag)

export const all = <A, E, R>(effects: ReadonlyArray<Effect.Effect<A, E, R>>) =>
  Effect.all(effects, { concurrency: "unbounded" })

export const repeated = <A, E, R>(times: number, self: Effect.Effect<A, E, R>) =>
  Effect.all(Array.from({ length: times }, () => self))

/** Many who call again and again at all members, and how many calls ran before the first was answered. */
export const crowd = Effect.fnUntraced(function*(members: ReadonlyArray<Member>, key: string) {
  let running = 0
  const answered = Latch.makeUnsafe()
  const work = Effect.andThen(Effect.sync(() => void running++), answered.await)
  const caller = (member: Member) => Effect.repeat(call(member, key, work), { schedule: Schedule.spaced("5 millis") })
  const callers = members.flatMap((member) => Array.from({ length: 20 }, () => caller(member)))
  const fiber = yield* Effect.forkChild(all(callers))
  yield* Effect.sleep("400 millis")
  const ran = running
  yield* answered.open
  yield* Effect.sleep("50 millis")
  yield* Fiber.interrupt(fiber)
  return ran
})

/** Waits until a member has announced so. */
export const tells = ({ recorded }: Member, event: "store.degraded" | "store.recovered" | "store.corrupt") =>
  eventually(Effect.map(recorded.names, (names) => names.includes(event)))

/** There was one outage, with one of these codes, and it is over. */
export const assertOneOutage = ({ recorded }: Member, codes: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const degraded = yield* recorded.of("store.degraded")
    assert.strictEqual(degraded.length, 1)
    assert.include(codes, degraded[0]?.error)
    assert.strictEqual((yield* recorded.of("store.recovered")).length, 1)
  })

/** What is announced of so many outages, one after the other. */
export const inTurn = (outages: number) =>
  Array.from({ length: outages }, () => ["store.degraded", "store.recovered"]).flat()

export const assertNoOutage = ({ recorded }: Member) =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* recorded.of("store.degraded"), [])
  })

/** How many scripts the server has run since its counts were reset. */
export const scripts = ({ commandstats }: RedisServer.RedisServer) =>
  Effect.map(commandstats, ({ eval: evals = 0, evalsha = 0 }) => evals + evalsha)
