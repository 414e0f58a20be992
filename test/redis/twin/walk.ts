/**
 * A walk over every circuit that small rules can reach, each step of which both sides take.
 *
 * One circuit of each shape stands for all of that shape. Both sides look at times only through what is left of them
 * and through differences between them; at generations, and at the ids of probes, only through equality; at the
 * openings in a row only to tell the first from the others; at the kind of the last failure only to tell none from
 * some; and at reasons, at the beginning of an outage and at whether an operator holds it open not at all: these they
 * carry along. All of it is compared after every step. So whatever the two do with one circuit they do with every other
 * of its shape, and a walk that takes all steps from each shape has seen every run under these rules. More failures,
 * probes and successes than here come into it by the same `>=`.
 */
import { Circuit, Outcome } from "effect-resilience"
import type { CompiledPolicy } from "../../../src/internal/options/compiledPolicy.ts"
import { firstGeneration, Machine, start, type Step } from "./machine.ts"
import type { Script } from "./script.ts"
import { compare, recordOf, sent, type Taken } from "./twin.ts"

interface Place {
  readonly circuit: Circuit.Circuit
  readonly held: boolean
  readonly now: number
}

/** Walks until there is no new shape. Throws the first `Difference`. */
export const walk = async (script: Script, policy: CompiledPolicy): Promise<{ steps: number; shapes: number }> => {
  const keys: Array<string> = []
  const seen = new Set<string>()
  const unseen = (place: Place) => seen.size < seen.add(shape(place)).size
  let steps = 0
  let frontier: ReadonlyArray<Place> = [{ circuit: Circuit.initial(firstGeneration), held: false, now: start }]
  while (frontier.length > 0) {
    const taken = frontier.flatMap((place) => stepsFrom(place.circuit).map((step) => take(policy, place, step)))
    while (keys.length < taken.length) keys.push(script.key())
    const pipeline = script.redis.pipeline()
    for (const [index, one] of taken.entries()) {
      const key = keys[index]!
      pipeline.hset(key, recordOf({ circuit: one.before, held: one.held }))
      script.queue(pipeline, key, sent(one))
      pipeline.hgetall(key)
    }
    const replies = (await pipeline.exec())!
    for (const [index, one] of taken.entries()) {
      const [error, reply] = replies[3 * index + 1]!
      compare(one, error, reply, replies[3 * index + 2]![1] as Record<string, string>)
    }
    steps += taken.length
    const places = [...frontier, ...taken.map(({ now, said: { circuit, held } }) => ({ circuit, held, now }))]
    // Time alone leads on too, a millisecond at a time: so it comes to each deadline, and past it.
    frontier = places.flatMap((place) => [place, { ...place, now: place.now + 1 }]).filter(unseen)
  }
  return { steps, shapes: seen.size }
}

const take = (
  policy: CompiledPolicy,
  { circuit, held, now }: Place,
  step: Step
): Taken & { readonly held: boolean } => {
  const said = new Machine(policy, circuit, held).take(step, now)
  return { policy, before: circuit, held, step, now, said }
}

const shape = ({ circuit, now }: Place): string => {
  const left = (until: number) => until === Circuit.never ? until : Math.max(0, until - now)
  const { state } = circuit
  return JSON.stringify([
    state,
    isCalm(circuit) ? circuit.failures : circuit.openMillis,
    circuit.lastFailureKind === "",
    left(circuit.openUntil),
    Math.min(circuit.openings, 2),
    state === "closed" ? left(circuit.closedAt + circuit.openMillis) : 0,
    circuit.probes.map(({ leaseUntil }) => left(leaseUntil)),
    circuit.successes,
    left(circuit.rampUntil),
    left(circuit.gateUntil),
    left(circuit.hintUntil)
  ])
}

const isCalm = ({ state }: Circuit.Circuit) => state === "closed" || state === "disabled"

/** One of each kind, with hints that are kept and hints that are capped. */
const outcomes: ReadonlyArray<Outcome.Outcome> = [
  Outcome.success,
  Outcome.failure("timeout"),
  Outcome.failure("overloaded", 9),
  Outcome.ignored("cancelled"),
  Outcome.throttled(1),
  Outcome.throttled(9),
  Outcome.openNow("quota_exhausted")
]

const settle = (permit: Circuit.Permit, outcome: Outcome.Outcome, batched = false): Step => ({
  _tag: "Settle",
  permit,
  outcome,
  durationMillis: 1,
  batched
})

const stepsFrom = (circuit: Circuit.Circuit): ReadonlyArray<Step> => {
  const { generation, issued, probes, state } = circuit
  const calls = isCalm(circuit) ? [{ generation, probe: 0 }] : []
  const live = [...calls, ...probes.map(({ id }) => ({ generation, probe: id }))]
  const ids = Array.from({ length: issued }, (_, index) => index + 1)
  const gone = ids.find((id) => probes.every((probe) => probe.id !== id))
  const late = [
    { generation: generation - 1, probe: 0 },
    { generation: generation - 1, probe: 1 },
    { generation, probe: gone ?? issued + 1 },
    // Probes are all that a half-open circuit lets through.
    ...state === "half_open" ? [{ generation, probe: 0 }] : []
  ]
  return [
    { _tag: "Claim" },
    ...live.flatMap((permit) => outcomes.map((outcome) => settle(permit, outcome))),
    ...calls.map((permit) => settle(permit, Outcome.success, true)),
    ...late.map((permit) => settle(permit, Outcome.failure("overloaded", 9))),
    { _tag: "Force", millis: 2 },
    { _tag: "Force", millis: undefined },
    { _tag: "Reset" },
    { _tag: "Disable" },
    { _tag: "Enable" }
  ]
}
