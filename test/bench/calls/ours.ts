/** What this library costs, beside the least that any guard of this kind could cost. */
import { Context, Effect, Layer } from "effect"
import {
  CircuitBreaker,
  CircuitMetrics,
  CircuitObserver,
  type CircuitPolicy,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  TripPolicy
} from "effect-resilience"
import { answer, answering, failing } from "../loops.ts"
import { type Case, comparedWith } from "../measure.ts"

const key = "model"
const call = Effect.succeed(answer)
const guarded = call.pipe(CircuitBreaker.execute({ key }))
const routed = FailoverRouter.execute("chat", () => call)
const windowed = call.pipe(CircuitBreaker.execute({ key: "windowed model" }))

/** Written by what is timed, so that no compiler can drop the work. */
const seen = { calls: 0 }

/** A call with the least that a guard has to do after it. */
export const floorOf = (call: Effect.Effect<number>): Effect.Effect<number> =>
  Effect.onExit(call, () =>
    Effect.clockWith((clock) => {
      seen.calls++
      clock.monotonicTimeNanosUnsafe()
      return Effect.void
    }))

/** What ours are compared with. */
export const reference = (name = "floor"): Case => answering(name, floorOf(call), Context.empty())

const consecutive: CircuitPolicy.CircuitPolicy = {
  tripPolicy: TripPolicy.consecutive(5),
  openDuration: "1 hour"
}

const hundredCalls: CircuitPolicy.CircuitPolicy = {
  tripPolicy: TripPolicy.failureRate({ threshold: 0.5, window: 100 }),
  openDuration: "1 hour"
}

const observer: CircuitObserver.CircuitObserver = {
  name: "bench",
  onEvent: () => {
    seen.calls++
  },
  onCircuit: () => ({
    onCall: (_result, durationMillis) => {
      if (durationMillis > 0) seen.calls++
    }
  })
}

const memory = CircuitStore.layerMemory

const breaker = (
  policy: CircuitPolicy.CircuitPolicy,
  store: Layer.Layer<CircuitStore.CircuitStore> = memory,
  observers: Layer.Layer<never, never, CircuitBreaker.CircuitBreaker> = Layer.empty
) => Layer.build(observers.pipe(Layer.provideMerge(CircuitBreaker.layer(policy)), Layer.provide(store)))

/** What most calls meet, on any store. */
export const closed = (store: Layer.Layer<CircuitStore.CircuitStore>, prefix = "") =>
  Effect.gen(function*() {
    return [
      answering(`${prefix}closed`, guarded, yield* breaker(consecutive, store)),
      answering(`${prefix}closed, window of 100`, windowed, yield* breaker(hundredCalls, store))
    ].map(comparedWith(`${prefix}floor`))
  })

export const cases = Effect.gen(function*() {
  const observed = yield* breaker(consecutive, memory, CircuitObserver.layer(observer))
  const measured = yield* breaker(consecutive, memory, CircuitMetrics.layer)
  const router = yield* Layer.build(
    FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] }).pipe(
      Layer.provide(CircuitBreaker.layer(consecutive)),
      Layer.provide(memory)
    )
  )
  const opened = yield* breaker(consecutive)
  const forced = yield* breaker(consecutive)

  const failed = Effect.fail("down").pipe(CircuitBreaker.execute({ key }))
  yield* Effect.repeat(Effect.flip(failed), { times: 4 }).pipe(Effect.provideContext(opened), Effect.orDie)
  yield* CircuitBreaker.forceOpen(key).pipe(Effect.provideContext(forced))

  const others = [
    answering("bare effect", call, Context.empty()),
    answering("closed, observer", guarded, observed),
    answering("closed, metrics", guarded, measured),
    answering("routed, first of two targets", routed, router),
    failing("rejected, open", guarded, opened, "CircuitOpen"),
    failing("rejected, forced open", guarded, forced, "CircuitForcedOpen")
  ]
  return [reference(), ...yield* closed(memory), ...others.map(comparedWith("floor"))]
})
