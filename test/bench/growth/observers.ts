/** Calls that so many want to hear of, and how long each took. */
import { Effect, Layer } from "effect"
import { CircuitBreaker, CircuitObserver } from "effect-resilience"
import { answer, answering, resolving } from "../loops.ts"
import { subjects } from "./axes.ts"
import * as breakers from "./breakers.ts"
import { curve } from "./curve.ts"

// Written by what is timed, so that no compiler can drop the work.
const heard = { calls: 0 }

const hear = (durationMillis: number) => {
  if (durationMillis >= 0) heard.calls++
}

const each = <A>(many: number, make: (index: number) => A) => Array.from({ length: many }, (_, index) => make(index))

const observer = (index: number): CircuitObserver.CircuitObserver => ({
  name: `observer ${index}`,
  onEvent: () => {
    heard.calls++
  },
  onCircuit: () => ({ onCall: (_result, durationMillis) => hear(durationMillis) })
})

const guarded = CircuitBreaker.execute(Effect.succeed(answer), { key: "model" })

const ours = curve("observers", subjects.ours, (many, name) => {
  const observers = Layer.mergeAll(Layer.empty, ...each(many, (index) => CircuitObserver.layer(observer(index))))
  return Effect.map(breakers.ours(undefined, observers), (context) => answering(name, guarded, context))
})

const cockatiel = curve("observers", subjects.cockatiel, (many, name) =>
  Effect.sync(() => {
    const policy = breakers.cockatiel()
    each(many, () => policy.onSuccess(({ duration }) => hear(duration)))
    return resolving(name, () => policy.execute(() => answer))
  }))

const opossum = curve(
  "observers",
  subjects.opossum,
  (many, name) =>
    Effect.map(breakers.opossum(async () => answer), (breaker) => {
      each(many, () => breaker.on("success", (_answer, latencyMillis) => hear(latencyMillis)))
      return resolving(name, () => breaker.fire())
    })
)

export const observers = Effect.map(Effect.all([ours, cockatiel, opossum]), (curves) => curves.flat())
