/** Both sides of a step: the machine takes it, the script is sent it, and nobody must see a difference. */
import { Data } from "effect"
import { Circuit } from "effect-resilience"
import { isDeepStrictEqual } from "node:util"
import { wholeMillis } from "../../../src/internal/clock/time.ts"
import type { CompiledPolicy } from "../../../src/internal/options/compiledPolicy.ts"
import type { Operation } from "../../../src/redis/internal/luaOperations.ts"
import { numbers, version } from "../../../src/redis/internal/luaRecord.ts"
import { readAnswer } from "../../../src/redis/internal/record.ts"
import type { Said, Step } from "./machine.ts"
import { argumentsOf } from "./script.ts"

/** A step that the machine has taken. */
export interface Taken {
  readonly policy: CompiledPolicy
  readonly before: Circuit.Circuit
  readonly step: Step
  readonly now: number
  readonly said: Said
}

/** The script said or stored something else than the machine. */
export class Difference extends Data.TaggedError("Difference")<{ readonly message: string }> {}

const differs = ({ before, now, policy, said, step }: Taken, script: object) => {
  const { criteria, rules } = policy
  return new Difference({
    message: JSON.stringify({ rules, criteria, now, before, step, machine: said, script }, undefined, 1)
  })
}

/** What a process of the Redis store would send. */
export const sent = ({ before, now, policy, step }: Taken): ReadonlyArray<string> => {
  const send = (operation: Operation, ...args: ReadonlyArray<string | number>) =>
    argumentsOf(operation, args, { policy, now, known: before.generation })
  switch (step._tag) {
    case "Claim":
      return send("claim", policy.rules.probeLeaseMillis)
    case "Force":
      return send("force", step.millis ?? Circuit.never, "", "")
    case "Reset":
      return send("reset", "", "")
    case "Disable":
      return send("disable", "", "")
    case "Enable":
      return send("enable", "", "")
    case "Settle": {
      const { batched, durationMillis, outcome, permit } = step
      const opening = Circuit.nextOpening(before, now)
      const opens = [policy.openMillis(1), policy.openMillis(opening)]
      if (batched) return send("report", permit.generation, 1, before.failures > 0 ? 1 : 0, 0, "", "", 0, 0, ...opens)
      const kind = outcome._tag === "Success" ? "" : outcome.kind
      const hintMillis = "retryAfter" in outcome ? wholeMillis(outcome.retryAfter) : 0
      const call = [permit.probe, outcome._tag, kind, hintMillis, durationMillis]
      return send("report", permit.generation, 0, 0, ...call, ...opens)
    }
  }
}

/** Throws unless the script answered as the machine did, and left in its hash what the machine has in memory. */
export const compare = (taken: Taken, error: Error | null, reply: unknown, stored: Record<string, string>): void => {
  const { now, said, step } = taken
  const answer = error === null ? readAnswer(reply, now) : undefined
  if (answer === undefined || answer === "newer") throw differs(taken, { error: String(error), reply })
  const { circuit, corrupt, failureRatePpm, failureThreshold, given, held, mismatch, status } = answer
  // Of a call that opened no circuit the machine does not tell whether slowness would have.
  const opened = circuit.generation !== taken.before.generation || step._tag !== "Settle" || step.permit.probe > 0
  const told = opened ? 4 : 3
  const script = {
    circuit,
    held,
    late: status === "late",
    given: given.slice(0, told),
    failureThreshold,
    failureRatePpm
  }
  // Gates and ramps of the past are none to whoever reads them.
  const later = (until: number) => until > now ? until : 0
  const { gateUntil, rampUntil } = said.circuit
  const machine = {
    ...said,
    given: said.given.slice(0, told),
    circuit: { ...said.circuit, gateUntil: later(gateUntil), rampUntil: later(rampUntil) }
  }
  const fields = fieldsOf(said)
  const kept = Object.fromEntries(Object.keys(fields).map((name) => [name, stored[name]]))
  if (corrupt || mismatch || !isDeepStrictEqual(script, machine) || !isDeepStrictEqual(kept, fields)) {
    throw differs(taken, { ...script, corrupt, mismatch, stored })
  }
}

/** A whole record, as if the script had written it. */
export const recordOf = (known: Pick<Said, "circuit" | "held">): Record<string, string> => ({
  ...fieldsOf(known),
  version: String(version),
  expireAt: "0",
  policy: "",
  health: "",
  revision: "0",
  latencyTripped: "",
  note: "",
  actor: ""
})

/** What a record says that the machine knows too. */
const fieldsOf = ({ circuit, held }: Pick<Said, "circuit" | "held">): Record<string, string> => ({
  ...Object.fromEntries(numbers.flatMap((name) => name === "revision" ? [] : [[name, String(circuit[name])]])),
  state: circuit.state,
  reason: circuit.reason,
  lastFailureKind: circuit.lastFailureKind,
  probes: circuit.probes.map(({ id, leaseUntil }) => `${id}:${leaseUntil}:twin;`).join(""),
  held: held ? "1" : ""
})
