/** Calls of one circuit by many at once. Each call waits for a microtask, so that all callers are inside together. */
import { Context, Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"
import { floorOf } from "../calls/ours.ts"
import { answer, answeringTogether, resolvingTogether } from "../loops.ts"
import { subjects } from "./axes.ts"
import * as breakers from "./breakers.ts"
import { curve } from "./curve.ts"

const key = "model"
const answered = Effect.succeed(answer)
const call = Effect.callback<number>((resume) => queueMicrotask(() => resume(answered)))
const promised = () => Promise.resolve().then(() => answer)

const floor = curve(
  "callers",
  subjects.floor,
  (many, name) => Effect.succeed(answeringTogether(name, many, floorOf(call), Context.empty()))
)

const ours = curve("callers", subjects.ours, (many, name) =>
  Effect.map(
    breakers.ours(),
    (context) => answeringTogether(name, many, CircuitBreaker.execute(call, { key }), context)
  ))

const persistence = curve(
  "callers",
  subjects.persistence,
  (many, name) =>
    Effect.map(breakers.persistence(), (context) => {
      const guarded = EffectBreaker.CircuitBreaker.use(({ execute }) => execute(call, { key }))
      return answeringTogether(name, many, guarded, context)
    })
)

const cockatiel = curve("callers", subjects.cockatiel, (many, name) =>
  Effect.sync(() => {
    const policy = breakers.cockatiel()
    return resolvingTogether(name, many, () => policy.execute(promised))
  }))

const opossum = curve(
  "callers",
  subjects.opossum,
  (many, name) =>
    Effect.map(breakers.opossum(promised), (breaker) => resolvingTogether(name, many, () => breaker.fire()))
)

export const callers = Effect.map(
  Effect.all([floor, ours, persistence, cockatiel, opossum]),
  (curves) => curves.flat()
)
