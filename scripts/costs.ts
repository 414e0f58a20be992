/** The README's table of what calls cost, as `npm run bench -- --write` has left it in `docs/bench.json`. */

/** A line of `docs/bench.json`. */
export interface Measured {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly ratio_of: string | null
  readonly ratio: number | null
}

const calls = {
  "floor": "floor",
  "closed": "closed, `consecutive`",
  "closed, window of 100": "closed, failure rate over 100 calls",
  "closed, observer": "closed, with an observer of events and calls",
  "closed, metrics": "closed, with `CircuitMetrics`",
  "rejected, open": "rejected",
  "routed, first of two targets": "through a `FailoverRouter`, the first of two targets",
  "effect/persistence closed": "`effect/persistence` CircuitBreaker, memory: closed",
  "effect/persistence rejected": "`effect/persistence` CircuitBreaker, memory: rejected",
  "cockatiel closed": "cockatiel, promises and not effects: closed",
  "cockatiel rejected": "cockatiel: rejected",
  "opossum closed": "opossum, promises and not effects: closed",
  "opossum rejected": "opossum: rejected"
}

const sizes = {
  "idle circuit": "an idle circuit",
  "idle circuit that saw a failure": "one that saw a failure",
  "bundle, a guarded call, memory store": "bundled: a guarded call, memory store",
  "bundle, … judged as an LLM call, with retries": "… judged as an LLM call, with retries",
  "bundle, … with failover": "… with failover",
  "bundle, everything but the entries": "everything but the entries"
}

/** Rows of the table: what is measured, the number with its unit, and what it is compared with. */
export const costs = (measured: ReadonlyArray<Measured>): ReadonlyArray<ReadonlyArray<string>> => {
  const named = new Map(measured.map((one) => [one.name, one]))
  const rowsOf = (names: Readonly<Record<string, string>>, unit: string) =>
    Object.entries(names).map(([name, label]) => {
      const found = named.get(name)
      if (found === undefined) throw new Error(`bench.json has no ${name}`)
      return [label, `${Math.round(found.value).toLocaleString("en-US")} ${unit}`, compared(found)]
    })
  return [...rowsOf(calls, "ns"), ...rowsOf(sizes, "bytes")]
}

const compared = ({ ratio, ratio_of }: Measured) =>
  ratio === null || ratio_of === null ? "" : `${ratio < 10 ? ratio.toFixed(1) : ratio.toFixed(0)} × ${ratio_of}`
