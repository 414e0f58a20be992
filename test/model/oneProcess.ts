/**
 * One process: the real circuit of the memory store and everything that can happen to it. The calls under way are not
 * listed but for the probes: an ordinary call of this generation, or of an old one, may end at any time.
 */
import { Circuit, Outcome } from "effect-resilience"
import type { CompiledPolicy } from "../../src/internal/options/compiledPolicy.ts"
import { begin, type History, type Invariant, type Moment, record, type Running, type Told, viewOf } from "./history.ts"
import { hub, Local, type Place, real, type Step, type Taker } from "./taker.ts"
import { transitionsOf } from "./transitionsOf.ts"
import type { World } from "./walk.ts"

const idleMillis = 2
const openMillis = 2

const interruption = Outcome.ignored("cancelled")

/** One of each kind, with a hint that is kept and one that is capped. */
const outcomes: ReadonlyArray<Outcome.Outcome> = [
  Outcome.success,
  Outcome.failure("timeout"),
  Outcome.failure("overloaded", 9),
  Outcome.ignored("invalid_request"),
  Outcome.throttled(1),
  Outcome.throttled(9),
  Outcome.openNow("quota_exhausted")
]

const end = (permit: Circuit.Permit, outcome: Outcome.Outcome, interrupted = false): Step => ({
  _tag: "End",
  permit,
  outcome,
  interrupted
})

const stepsFrom = ({ circuit, history }: Place): ReadonlyArray<Step> => {
  const { generation, issued, probes, state } = circuit
  const speaks = (permit: Circuit.Permit) => [
    ...outcomes.map((outcome) => end(permit, outcome)),
    end(permit, interruption, true)
  ]
  const calls = state === "closed" || state === "disabled" ? [{ generation, probe: 0 }] : []
  const running = history.running.flatMap(({ permit }) => permit.generation === generation ? [permit] : [])
  const ended = Array.from({ length: issued }, (_, index) => ({ generation, probe: index + 1 }))
    .filter(({ probe }) => probes.every(({ id }) => id !== probe) && running.every((permit) => permit.probe !== probe))
  const late = [{ generation: generation - 1, probe: 0 }, { generation: generation - 1, probe: 1 }, ...ended.slice(-1)]
  return [
    { _tag: "Admit" },
    ...[...calls, ...running].flatMap(speaks),
    ...late.flatMap((permit) => [end(permit, Outcome.success), end(permit, Outcome.failure("overloaded", 9))]),
    { _tag: "Force", millis: 2 },
    { _tag: "Force", millis: undefined },
    { _tag: "Reset" },
    { _tag: "Disable" },
    { _tag: "Enable" },
    { _tag: "Wait" }
  ]
}

/** Later than any deadline that these policies and steps can lead to. */
const horizon = 20

export const oneProcess = (
  policy: CompiledPolicy,
  invariants: ReadonlyArray<Invariant>,
  { initial, take }: Taker = real
): World<Place, Step> => {
  const { rules } = policy
  const start = 10

  /** Interrupts every probe under way, lets time go by, and calls. What an operator holds for good, he lets go of. */
  const recovering = new Set<string>()
  const recovers = (place: Place): boolean => {
    const known = shape(place)
    if (recovering.has(known)) return true
    let at = place
    const go = (step: Step) => {
      const { admitted: _, events: __, ...next } = take(policy, at, step)
      at = { ...at, ...next }
    }
    for (const { permit } of place.history.running) go(end(permit, interruption, true))
    if (at.circuit.openUntil === Circuit.never) go({ _tag: "Reset" })
    at = { ...at, now: at.now + horizon }
    const admits = take(policy, at, { _tag: "Admit" }).admitted !== undefined
    if (admits) recovering.add(known)
    return admits
  }

  const moment = (place: Place, moment: Pick<Moment, "by" | "before" | "told"> & Partial<Moment>): Place => {
    const { circuit: after, history, now } = place
    const seen: Moment = { rules, now, after, recovers: () => recovers(place), ...moment }
    return { ...place, history: forget(record(history, seen, invariants), after) }
  }

  // What `Registry` and `Initial` do at the next use of a key that nobody used for long.
  const renewed = (place: Place): Place => {
    if (!new Local(policy, hub, place).isIdle(place.now, idleMillis)) return place
    const before = place.circuit
    const circuit = Circuit.initial(initial(before.generation))
    const found = { process: "one", view: viewOf(circuit) }
    return moment({ ...place, circuit, held: false, seenAt: place.now }, { by: "forgetting", before, told: [], found })
  }

  return {
    starts: [{
      circuit: Circuit.initial(1),
      held: false,
      now: start,
      seenAt: start,
      history: begin(Circuit.initial(1), ["one"])
    }],
    steps: stepsFrom,
    take: (from, step) => {
      if (step._tag === "Wait") return { ...from, now: from.now + 1 }
      const uses = step._tag === "Admit" || step._tag === "Force" || step._tag === "Disable"
      const place = uses ? renewed(from) : from
      const { admitted, circuit, events, held, seenAt } = take(policy, place, step)
      const told: ReadonlyArray<Told> = transitionsOf("one", events)
      const { generation, state } = circuit
      return moment({ ...place, circuit, held, seenAt }, {
        by: "machine",
        before: place.circuit,
        admitted,
        ended: step._tag === "End" ? step.permit : undefined,
        told,
        // To reset what is closed is no transition, though its calls no longer count.
        made: state === place.circuit.state ? undefined : { process: "one", generation }
      })
    },
    shape,
    show: (step) =>
      step._tag === "End"
        ? `End ${step.permit.generation}/${step.permit.probe} ${step.interrupted ? "interrupted" : step.outcome._tag}`
        : step._tag === "Force"
        ? `Force ${step.millis ?? "for good"}`
        : step._tag
  }
}

/** Who runs on without a slot never speaks again, but for one of them. */
const forget = (history: History, { generation, probes }: Circuit.Circuit): History => {
  const current = history.running.filter(({ permit }) => permit.generation === generation)
  const hasSlot = ({ permit }: Running) => probes.some(({ id }) => id === permit.probe)
  return { ...history, running: [...current.filter((one) => !hasSlot(one)).slice(-1), ...current.filter(hasSlot)] }
}

/** See `test/redis/twin/walk.ts` for why this is enough; beside it, who is still running and how long nobody called. */
const shape = ({ circuit, held, history, now, seenAt }: Place): string => {
  const left = (until: number) => until === Circuit.never ? until : Math.max(0, until - now)
  const { state } = circuit
  const isCalm = state === "closed" || state === "disabled"
  return JSON.stringify([
    state,
    held,
    isCalm ? circuit.failures : circuit.openMillis,
    left(circuit.openUntil),
    Math.min(circuit.openings, openMillis),
    state === "closed" ? left(circuit.closedAt + circuit.openMillis) : 0,
    circuit.probes.map(({ leaseUntil }) => left(leaseUntil)),
    history.running.map(({ leaseUntil, permit }) =>
      permit.generation === circuit.generation && circuit.probes.findIndex(({ id }) => id === permit.probe) * 9 +
        left(leaseUntil)
    ),
    circuit.successes,
    left(circuit.rampUntil),
    circuit.rampUntil > now ? circuit.rampCredit : 0,
    left(circuit.gateUntil),
    left(circuit.hintUntil),
    Math.min(now - seenAt, idleMillis),
    left(history.heldUntil)
  ])
}
