/** What other breakers cost for the same work. */
import { circuitBreaker, ConsecutiveBreaker, handleAll, isBrokenCircuitError } from "cockatiel"
import { Effect, Layer } from "effect"
import { CircuitBreaker } from "effect/persistence"
import Opossum from "opossum"
import { answer, answering, failing, rejecting, resolving } from "../loops.ts"
import type { Case } from "../measure.ts"

const key = "model"
const hour = 3_600_000

const persistence = Effect.gen(function*() {
  const breaker = Layer.build(Layer.provide(
    CircuitBreaker.layer({ tripPolicy: CircuitBreaker.consecutive(5), openDuration: hour }),
    CircuitBreaker.layerStoreMemory()
  ))
  const closed = yield* breaker
  const opened = yield* breaker
  const execute = (effect: Effect.Effect<number, string>) =>
    CircuitBreaker.CircuitBreaker.use((breaker) => breaker.execute(effect, { key }))
  const guarded = execute(Effect.succeed(answer))
  yield* Effect.repeat(Effect.flip(execute(Effect.fail("down"))), { times: 4 }).pipe(
    Effect.provideContext(opened),
    Effect.orDie
  )
  return [
    answering("effect/persistence closed", guarded, closed),
    failing("effect/persistence rejected", guarded, opened, "CircuitOpen")
  ] as const
})

const cockatiel = Effect.promise(async () => {
  const make = () => circuitBreaker(handleAll, { breaker: new ConsecutiveBreaker(5), halfOpenAfter: hour })
  const closed = make()
  const opened = make()
  for (let i = 0; i < 5; i++) await opened.execute(() => Promise.reject(new Error("down"))).catch(() => {})
  return [
    resolving("cockatiel closed", () => closed.execute(() => answer)),
    rejecting("cockatiel rejected", () => opened.execute(() => answer), isBrokenCircuitError)
  ] as const
})

const opossum = Effect.gen(function*() {
  const make = Effect.acquireRelease(
    Effect.sync(() => new Opossum(async () => answer, { timeout: false, resetTimeout: hour })),
    (breaker) => Effect.sync(() => breaker.shutdown())
  )
  const closed = yield* make
  const opened = yield* make
  opened.open()
  return [
    resolving("opossum closed", () => closed.fire()),
    rejecting("opossum rejected", () => opened.fire(), (error) => error instanceof Error && Opossum.isOurError(error))
  ] as const
})

/** Compared with ours: a call with a call, a rejection with a rejection. */
export const cases = Effect.map(
  Effect.all([persistence, cockatiel, opossum]),
  (groups) =>
    groups.flatMap(([closed, rejected]): ReadonlyArray<Case> => [
      { ...closed, comparedWith: "closed" },
      { ...rejected, comparedWith: "rejected, open" }
    ])
)
