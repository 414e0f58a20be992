/** What a circuit costs that nobody uses. */
import { Effect, Layer } from "effect"
import { CircuitBreaker, CircuitStore } from "effect-resilience"

type Collect = NonNullable<typeof globalThis.gc>

export interface Memory {
  readonly name: string
  readonly bytes: number
}

/** Heap bytes per circuit, keys not counted; empty where the collector cannot be called (`node --expose-gc`). */
export const measureMemory = Effect.fnUntraced(function*(
  circuits: number,
  store: Layer.Layer<CircuitStore.CircuitStore> = CircuitStore.layerMemory
) {
  const { gc } = globalThis
  if (gc === undefined) return []
  const keys = Array.from({ length: circuits }, (_, i) => `tenant-${i}/model`)
  const measured: Array<Memory> = []
  for (const [name, call] of calls) {
    yield* grow(gc, keys.slice(0, 1000), call, store)
    measured.push({ name, bytes: (yield* grow(gc, keys, call, store)) / circuits })
  }
  return measured
})

const calls = [
  ["idle circuit", (key: string) => Effect.void.pipe(CircuitBreaker.execute({ key }))],
  [
    "idle circuit that saw a failure",
    (key: string) => Effect.ignore(Effect.fail("down").pipe(CircuitBreaker.execute({ key })))
  ]
] as const

const grow = (
  gc: Collect,
  keys: ReadonlyArray<string>,
  call: typeof calls[number][1],
  store: Layer.Layer<CircuitStore.CircuitStore>
) =>
  Effect.gen(function*() {
    const before = heap(gc)
    // Side by side, for stores whose first call has to wait.
    yield* Effect.forEach(keys, call, { concurrency: 64, discard: true })
    const bytes = heap(gc) - before
    const known = (yield* CircuitBreaker.states).length
    return known === keys.length
      ? bytes
      : yield* Effect.die(new Error(`${known} of ${keys.length} circuits are known`))
  }).pipe(Effect.provide(Layer.provide(CircuitBreaker.layer(), store)))

const heap = (gc: Collect): number => {
  gc()
  gc()
  return process.memoryUsage().heapUsed
}
