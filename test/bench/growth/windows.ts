/** Calls that a rate is taken over: of the last so many, and of the last milliseconds. All of them are in the window. */
import { CountBreaker, SamplingBreaker } from "cockatiel"
import { Effect } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"
import { answer, answering, resolving } from "../loops.ts"
import { subjects } from "./axes.ts"
import * as breakers from "./breakers.ts"
import { curve } from "./curve.ts"

const key = "model"
const threshold = 0.5
const call = Effect.succeed(answer)
const guarded = CircuitBreaker.execute(call, { key })

const ours = (window: TripPolicy.Window, name: string) =>
  Effect.map(
    breakers.ours(TripPolicy.failureRate({ threshold, window })),
    (context) => answering(name, guarded, context)
  )

const persistence = (size: number, name: string) =>
  Effect.map(
    breakers.persistence(EffectBreaker.rate({ threshold, size })),
    (context) => answering(name, EffectBreaker.CircuitBreaker.use(({ execute }) => execute(call, { key })), context)
  )

const cockatiel = (breaker: CountBreaker | SamplingBreaker, name: string) =>
  Effect.sync(() => {
    const policy = breakers.cockatiel(breaker)
    return resolving(name, () => policy.execute(() => answer))
  })

export const calls = Effect.map(
  Effect.all([
    curve("calls", subjects.ours, ours),
    curve("calls", subjects.persistence, persistence),
    curve("calls", subjects.cockatiel, (size, name) => cockatiel(new CountBreaker({ threshold, size }), name))
  ]),
  (curves) => curves.flat()
)

export const millis = Effect.map(
  Effect.all([
    curve("millis", subjects.ours, (size, name) => ours(`${size} millis`, name)),
    curve(
      "millis",
      subjects.cockatiel,
      (duration, name) => cockatiel(new SamplingBreaker({ threshold, duration }), name)
    )
  ]),
  (curves) => curves.flat()
)
