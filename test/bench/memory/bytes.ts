/** Counts what stays in memory. */
import { Effect, type Scope } from "effect"

/** What one of many circuits takes. */
export interface Memory {
  readonly name: string
  readonly comparedWith?: string | undefined
  readonly circuits: number
  readonly bytes: number
}

/** Circuits of which it can be asked how many there are. */
export interface Circuits<E = never> {
  readonly count: Effect.Effect<number, E>
}

/** Bytes for each of so many that `make` leaves in its scope. */
export const bytesEach = <E>(many: number, make: Effect.Effect<Circuits<E>, E, Scope.Scope>): Effect.Effect<number> =>
  Effect.gen(function*() {
    const before = used()
    const circuits = yield* make
    const bytes = used() - before
    const known = yield* circuits.count
    return known === many ? bytes / many : yield* Effect.die(new Error(`${known} of ${many} circuits are known`))
  }).pipe(Effect.scoped, Effect.orDie)

// Buffers that are not small are outside of the heap.
const used = (): number => {
  globalThis.gc!()
  globalThis.gc!()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

export const keysOf = (circuits: number) => Array.from({ length: circuits }, (_, i) => `tenant-${i}/model`)
