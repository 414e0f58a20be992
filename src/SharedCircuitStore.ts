/**
 * One breaker for a fleet: circuits whose authority is a store of records, such as Redis or PostgreSQL.
 *
 * Every process keeps a replica of each circuit in memory. Healthy calls are admitted and ended there, and rejections
 * are decided there, without waiting for the store. A call waits at the first use of a key, for a failure that counts,
 * and for a probe, never longer than `operationTimeout`: one round trip each, two for the failure that opens a circuit
 * by a rate, and one more where another process wrote in between. Changes are announced to every process. While the
 * store does not answer, a process is degraded: its circuits decide by themselves, and bring what they have decided
 * into their records when the store is back.
 *
 * **Gotchas**
 *
 * - A window of the fleet forgets by slots of 100 ms, 1 s, 10 s or 2 min, a fraction of its length, not call by call.
 * - Of calls of two processes that end within 20 ms the order is not known: a success of one ends failures in a row of
 *   the other. An outage opens no later than after that time, or the calls that the policy needs.
 * - Policies that differ judge the same evidence, and the most sensitive one opens for all. Try a new policy with
 *   `disable`, which only counts the openings that it would have made.
 * - An operator's order while the store is away holds in that process only. Of these orders only `forceOpen` is merged.
 *
 * @since 0.1.0
 */
import { type Duration, Effect, Layer } from "effect"
import { CircuitStore, type MemoryOptions } from "./CircuitStore.ts"
import { checkOptions } from "./internal/options/known.ts"
import { makeShared, sharedFields, sharedSettings } from "./internal/shared/options.ts"
import { RecordStore, type StoreUnavailable } from "./RecordStore.ts"

/**
 * How a store behaves, whatever keeps its records.
 *
 * - `operationTimeout`: how long an operation may take before this process is degraded. Default: 100 ms.
 * - `maxStaleness`: how old the view of a circuit in use may be when announced changes are lost. Default: 1 second.
 * - `flushInterval`: how long successes that only a rate counts wait to be sent together. Default: 200 ms.
 * - `lease`: how long the probe slot of a process that died stays taken. It is renewed while the probe runs, up to the
 *   policy's `probeLease`. Default: 10 seconds.
 * - `idleTimeToLive`, `maxCircuits`: as in `CircuitStore.layerMemoryWith`, for the circuits of this process;
 *   `idleTimeToLive` also for the records.
 * - `connectTimeout`: how long the layer waits for the store before the program starts without it. Default: 1 second.
 * - `requireConnection`: fail with `StoreUnavailable` instead. Default: false.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends MemoryOptions {
  readonly operationTimeout?: Duration.Input | undefined
  readonly maxStaleness?: Duration.Input | undefined
  readonly flushInterval?: Duration.Input | undefined
  readonly lease?: Duration.Input | undefined
  readonly connectTimeout?: Duration.Input | undefined
  readonly requireConnection?: boolean | undefined
}

/**
 * Circuits on the records of a `RecordStore`, in the time of the clock with which the layer is built.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: {
  (options: Options & { readonly requireConnection: true }): Layer.Layer<CircuitStore, StoreUnavailable, RecordStore>
  (
    options?: Options & { readonly requireConnection?: false | undefined }
  ): Layer.Layer<CircuitStore, never, RecordStore>
  (options: Options): Layer.Layer<CircuitStore, StoreUnavailable, RecordStore>
} = (options: Options = {}) =>
  Layer.effect(
    CircuitStore,
    Effect.gen(function*() {
      checkOptions(options, sharedFields)
      return yield* makeShared(yield* RecordStore, sharedSettings(options))
    })
  ) as Layer.Layer<CircuitStore, never, RecordStore>
