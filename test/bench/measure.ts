/** Timing. Every case gets its turn in every round, so that whatever disturbs the machine disturbs all alike. */
import { Effect } from "effect"
import { type Result, result } from "./findings.ts"

/**
 * Something to time. `run` makes that many calls and returns how many of them behaved as they should.
 *
 * - `comparedWith`: the name of the case that its ratio is of.
 * - `multiple`: the number of calls is one of this.
 */
export interface Case {
  readonly name: string
  readonly comparedWith?: string | undefined
  readonly multiple?: number | undefined
  readonly run: (calls: number) => Effect.Effect<number>
}

export const comparedWith = (name: string) => (self: Case): Case => ({ ...self, comparedWith: name })

/** Nanoseconds of processor time per call. `spread` is half the interquartile range, relative to the median. */
export interface Timing {
  readonly name: string
  readonly comparedWith: string | undefined
  readonly median: number
  readonly spread: number
  readonly rounds: ReadonlyArray<number>
}

export interface Plan {
  readonly rounds: number
  readonly roundMillis: number
  readonly warmUpMillis: number
}

export const measure = Effect.fnUntraced(function*(cases: ReadonlyArray<Case>, plan: Plan) {
  const prepared: Array<{ readonly self: Case; readonly calls: number; readonly rounds: Array<number> }> = []
  for (const self of cases) {
    const nanos = yield* warmUp(self, plan.warmUpMillis)
    prepared.push({ self, calls: whole(self, plan.roundMillis * 1_000_000 / nanos), rounds: [] })
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (const { calls, rounds, self } of shuffled(prepared, round)) rounds.push(yield* time(self, calls))
  }
  return prepared.map(({ rounds, self }): Timing => {
    const median = quantile(rounds, 0.5)
    const spread = (quantile(rounds, 0.75) - quantile(rounds, 0.25)) / 2 / median
    return { name: self.name, comparedWith: self.comparedWith, median, spread, rounds }
  })
})

/** The row of a timing, which is a ratio of the timing it is compared with. */
export const timingResult = (self: Timing, timings: ReadonlyArray<Timing>): Result => {
  const other = timings.find(({ name }) => name === self.comparedWith)
  return other === undefined || other === self
    ? result(self.name, self.median, "ns/call")
    : result(self.name, self.median, "ns/call", other.name, ratio(self, other))
}

/** How many times longer `self` took than `other`: the median over the rounds, in each of which both had their turn. */
export const ratio = (self: Timing, other: Timing): number =>
  quantile(self.rounds.map((nanos, round) => nanos / other.rounds[round]!), 0.5)

const warmUp = Effect.fnUntraced(function*(self: Case, millis: number) {
  let calls = 100
  let nanos = 0
  for (let spent = 0; spent < millis * 1_000_000; spent += nanos * calls) {
    calls = whole(self, Math.min(calls * 2, 50_000))
    nanos = yield* time(self, calls)
  }
  return nanos
})

const whole = ({ multiple = 1 }: Case, calls: number) => multiple * Math.max(1, Math.round(calls / multiple))

const time = Effect.fnUntraced(function*(self: Case, calls: number) {
  const start = cpuNanos()
  const right = yield* self.run(calls)
  const nanos = (cpuNanos() - start) / calls
  if (right !== calls) {
    return yield* Effect.die(
      new Error(`${self.name}: ${calls - right} of ${calls} calls did not behave as they should`)
    )
  }
  return nanos
})

// What this thread has worked: unlike the time on the wall, it leaves out what other programs took of the processor.
// Before Node 23.9 only the whole process can be asked.
const usage = "threadCpuUsage" in process ? () => process.threadCpuUsage() : () => process.cpuUsage()

const cpuNanos = (): number => {
  const { system, user } = usage()
  return (user + system) * 1000
}

// Another order each round, the same in every run: nobody always pays for the garbage of the same neighbour.
const shuffled = <A>(values: ReadonlyArray<A>, round: number): ReadonlyArray<A> => {
  let seed = round
  const keyed = values.map((value) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return [seed, value] as const
  })
  return keyed.toSorted(([a], [b]) => a - b).map(([, value]) => value)
}

export const quantile = (values: ReadonlyArray<number>, q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * q
  const low = sorted[Math.floor(at)]!
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at))
}
