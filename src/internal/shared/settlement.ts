/** What the end of a call makes of a record: the machine, with what the whole fleet has counted. */
import * as Circuit from "../../Circuit.ts"
import type { Outcome } from "../../Outcome.ts"
import { wholeMillis } from "../clock/time.ts"
import * as adaptive from "../machine/adaptive.ts"
import { type Counted, judge, type Judgement, learn } from "../machine/judge.ts"
import { downMillis } from "../machine/queries.ts"
import { anyMarked, count, type Counters, measuresOf } from "../machine/slots.ts"
import * as streak from "../machine/streak.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import type { Basis, Next } from "./change.ts"
import type { Entry } from "./entry.ts"

/** A call that has ended. */
export interface Ended {
  readonly permit: Circuit.Permit
  readonly outcome: Outcome
  readonly durationMillis: number
  readonly interrupted: boolean
}

/** The end of a call, in the generation that the store knows. */
export interface End {
  readonly permit: Circuit.Permit
  readonly outcome: Outcome
  readonly durationMillis: number
  /** Which process it is, and when it served a call since its failure before this one, if it did. */
  readonly process: string
  readonly servedAt: number | undefined
  /** How many calls in a row have failed in this process, this one included. */
  readonly failuresHere: number
}

/** What became of it. `late` if its permit is of the past. */
export interface Settled extends Next {
  readonly late: boolean
  /** Whether another process has counted a failure of the same request before. */
  readonly isRepeat: boolean
  readonly before: Circuit.Circuit
  readonly after: Circuit.Circuit
  readonly judgement: Judgement
  readonly latencyTripped: boolean
}

export const countedBy = ({ counters, entry: { learnt }, now, shift }: Basis): Counted => ({
  counters,
  learnt,
  nowMillis: now - shift
})

/** The slots of one call for every measure of the policy. */
export const slotsOf = (
  { criteria }: CompiledPolicy,
  atMillis: number,
  failed: boolean,
  durationMillis: number,
  slots = new Map<string, number>()
): Map<string, number> => {
  for (const measure of measuresOf(criteria)) {
    const isMarked = measure === "f" ? failed : durationMillis > Number(measure.slice(1))
    count(slots, measure, atMillis, { calls: 1, marked: isMarked ? 1 : 0 })
  }
  return slots
}

const plus = (counters: Counters, add: Counters): Counters => {
  const sum = new Map(counters)
  for (const [name, n] of add) sum.set(name, (sum.get(name) ?? 0) + n)
  return sum
}

export const settle = (
  policy: CompiledPolicy,
  basis: Basis,
  end: End,
  add: Map<string, number>,
  slowerThanMillis: number
): Settled => {
  const { entry, now } = basis
  const { durationMillis, outcome, permit, process } = end
  const before = entry.circuit
  const isProbe = permit.probe > 0
  const isCurrent = Circuit.isCurrent(before, permit) && (!isProbe || entry.owners.get(permit.probe) === process)
  const counted = countedBy({ ...basis, counters: plus(basis.counters, add) })
  const judgement = judge(policy.criteria, counted)
  const failed = outcome._tag === "Failure"
  const succeeded = outcome._tag === "Success"
  const slow = (failed || succeeded) && durationMillis > slowerThanMillis
  if (!isCurrent) return { entry, late: true, isRepeat: false, before, after: before, judgement, latencyTripped: false }
  const unhealthy = !isProbe && (failed || succeeded) && judgement.unhealthy
  const latencyTripped = isProbe ? slow && succeeded : unhealthy && judgement.slowness
  const row = failed && !isProbe
    ? streak.failed(entry.streak, process, now, end.servedAt)
    : entry.streak
  const earlier = failed && !isProbe ? streak.length(row) - 1 : before.failures
  const from = earlier === before.failures
    ? before
    : { ...before, failures: earlier, ...earlier === 0 ? { lastFailureKind: "", hintUntil: 0 } : undefined }
  const circuit = Circuit.settle(from, policy.rules, now, permit, {
    outcome: outcome._tag,
    kind: succeeded ? (latencyTripped ? "slow" : "") : outcome.kind,
    hintMillis: "retryAfter" in outcome ? wholeMillis(outcome.retryAfter) : 0,
    slow,
    unhealthy,
    failureThreshold: judgement.failureThreshold,
    openMillis: openMillis(policy, counted, Circuit.nextOpening(from, now))
  })
  const common = { late: false, isRepeat: false, before: from, after: circuit, judgement, latencyTripped, add }
  // A policy that counts no failures in a row has no row to keep, so that its counting never competes.
  const isCount = failed && !isProbe && judgement.failureThreshold === 0 && circuit.generation === before.generation &&
    circuit.openings === before.openings
  if (isCount || circuit === from) {
    const after = isCount ? { ...circuit, failures: end.failuresHere } : circuit
    return { ...common, after, entry, announces: failed && add.size > 0 && !anyMarked(basis.counters) }
  }
  const moves = circuit.generation !== before.generation
  const wouldOpen = !moves && circuit.openings > before.openings
  const next = advanced(
    policy,
    { ...entry, streak: circuit.failures === 0 ? streak.none : row },
    circuit,
    counted,
    latencyTripped
  )
  return {
    ...common,
    ...wouldOpen || moves ? { add: new Map(), clears: true } : undefined,
    entry: next,
    after: next.circuit,
    announces: isProbe || wouldOpen || circuit.gateUntil !== before.gateUntil || (failed && circuit.failures === 1)
  }
}

/** The entry after its circuit has moved, or only changed. */
export const advanced = (
  policy: CompiledPolicy,
  entry: Entry,
  next: Circuit.Circuit,
  counted: Counted,
  latencyTripped = false
): Entry => {
  const before = entry.circuit
  const begins = before.outage === 0 && next.outage !== 0
  const circuit = begins ? { ...next, outage: Math.floor(Math.random() * 2 ** 52) + 1 } : next
  if (circuit.generation === before.generation) return { ...entry, circuit }
  const isClosed = circuit.state === "closed" || circuit.state === "disabled"
  return {
    ...entry,
    circuit,
    owners: new Map([...entry.owners].filter(([id]) => circuit.probes.some((probe) => probe.id === id))),
    held: entry.held && !isClosed,
    latencyTripped: latencyTripped || (entry.latencyTripped && circuit.state === "half_open"),
    streak: circuit.failures === 0 ? streak.none : entry.streak,
    learnt: learntBy(policy, entry, circuit, counted)
  }
}

// The slots go with the generation: what was learnt of them stays.
const learntBy = (
  { criteria }: CompiledPolicy,
  { circuit: before, held, learnt }: Entry,
  after: Circuit.Circuit,
  counted: Counted
): adaptive.Learnt => {
  const criterion = criteria.find(({ _tag }) => _tag === "Adaptive")
  if (criterion?._tag !== "Adaptive") return learnt
  const known = learn(criterion, counted)
  if (after.reason === "reset") return adaptive.cleared(known)
  return after.reason === "probe_succeeded" && !held
    ? adaptive.recovered(criterion, known, downMillis(before, after.closedAt))
    : known
}

const openMillis = ({ criteria, openMillis }: CompiledPolicy, counted: Counted, opening: number): number => {
  const first = openMillis(1)
  const step = opening === 1 ? first : openMillis(opening)
  const criterion = criteria.find(({ _tag }) => _tag === "Adaptive")
  return criterion?._tag === "Adaptive" ? adaptive.openMillis(criterion, learn(criterion, counted), step, first) : step
}
