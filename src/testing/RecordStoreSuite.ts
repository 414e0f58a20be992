/**
 * What every store of records has to do, as checks for any test runner: the author of a store for `SharedCircuitStore`
 * sees with them that it keeps the contract of `RecordStore`.
 *
 * A check is an effect that succeeds, or fails with a sentence that says what was promised and what was seen. It makes
 * records under ids of its own, which expire, so that it may run on a store that others use.
 *
 * **Example** (With vitest it would be `for (const { name, check } of checks) it.effect(name, () => check)`)
 *
 * ```ts
 * import { Context, Effect, Layer } from "effect"
 * import { RecordStore } from "effect-resilience"
 * import { RecordStoreSuite, SimulatedRecordStore } from "effect-resilience/testing"
 * import { TestClock } from "effect/testing"
 *
 * const server = SimulatedRecordStore.make()
 * const checks = RecordStoreSuite.checks({
 *   connect: Effect.map(Layer.build(server.layer), Context.get(RecordStore.RecordStore)),
 *   advance: (millis) => TestClock.adjust(millis),
 *   cut: server.cut
 * })
 *
 * const program = Effect.forEach(checks, ({ check }) => check, { discard: true })
 * await Effect.runPromise(Effect.provide(program, TestClock.layer())) // => undefined
 * ```
 *
 * @since 0.1.0
 */
import { Effect, Result, type Scope } from "effect"
import type { RecordStore } from "../RecordStore.ts"
import { changes, cuts } from "./internal/suite/changes.ts"
import { ConformanceFailure } from "./internal/suite/conformanceFailure.ts"
import { lostAnswers, outages } from "./internal/suite/faults.ts"
import { type Check as Written, connection, fails, type Subject } from "./internal/suite/harness.ts"
import { records } from "./internal/suite/records.ts"
import { time } from "./internal/suite/time.ts"
import { values } from "./internal/suite/values.ts"
import { concurrency } from "./internal/suite/writers.ts"

export { ConformanceFailure }

/**
 * The store, and what a test can do to it. Checks that need what is left out are left out.
 *
 * - `connect`: the store as one process has it, connected. Each is a connection of its own to the same records.
 * - `advance`: lets milliseconds of the store's clock pass, and of that of its timeouts. Default: it sleeps.
 * - `cut`: cuts every connection by which changes come, so that some may be missed.
 * - `loseAnswers`: until its scope ends, updates may be carried out, and their answers are lost.
 * - `unreachable`: until its scope ends, no connection reaches the store.
 * - `patienceMillis`: how long a check waits for an answer, for a change, and for the end of an operation that has to
 *   fail. Default: 5,000.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly connect: Effect.Effect<RecordStore["Service"], unknown, Scope.Scope>
  readonly advance?: ((millis: number) => Effect.Effect<void>) | undefined
  readonly cut?: Effect.Effect<void> | undefined
  readonly loseAnswers?: Effect.Effect<void, never, Scope.Scope> | undefined
  readonly unreachable?: Effect.Effect<void, never, Scope.Scope> | undefined
  readonly patienceMillis?: number | undefined
}

/**
 * One promise of a store, as a sentence, and the effect that tries it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Check {
  readonly name: string
  readonly check: Effect.Effect<void, ConformanceFailure>
}

/**
 * The checks of a store, which can run in any order, one after another.
 *
 * @category constructors
 * @since 0.1.0
 */
export const checks = (options: Options): ReadonlyArray<Check> => {
  const { advance = (millis) => Effect.sleep(millis), cut, loseAnswers, patienceMillis = 5_000, unreachable } = options
  const subject: Subject = {
    advance,
    patienceMillis,
    connect: Effect.flatMap(Effect.result(options.connect), (result) =>
      Result.isSuccess(result)
        ? Effect.succeed(connection(result.success, patienceMillis))
        : fails("it can be connected to", String(result.failure)))
  }
  const over = <S>(subject: S, written: ReadonlyArray<Written<S>>): ReadonlyArray<Check> =>
    written.map(({ name, run }) => ({ name, check: Effect.scoped(run(subject)) }))
  return [
    ...over(subject, [...records, ...values, ...concurrency, ...time, ...changes]),
    ...cut === undefined ? [] : over({ ...subject, cut }, cuts),
    ...loseAnswers === undefined ? [] : over({ ...subject, loseAnswers }, lostAnswers),
    ...unreachable === undefined ? [] : over({ ...subject, unreachable }, outages)
  ]
}
