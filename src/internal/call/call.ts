/** One call through a circuit: what guard, judgement and spans need of it. */
import { Clock, type Fiber, type Tracer } from "effect"
import type { Classify } from "../../CircuitPolicy.ts"
import type { CircuitHandle } from "../../CircuitStore.ts"
import type { Hub } from "../observers/hub.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import type { CallEvidence } from "./callEvidence.ts"
import type { Probing } from "./probing.ts"

export interface Call {
  readonly circuit: CircuitHandle
  readonly policy: CompiledPolicy
  readonly classify: Classify
  readonly hub: Hub
  readonly clock: Clock.Clock
  readonly startedAt: number
  readonly span: Tracer.Span | undefined
  readonly noted: number
  /** The caller's description of the call, and the effect that a retry would run again. */
  readonly evidence: CallEvidence | undefined
  readonly token: unknown
  /** Whether the caller has nobody else to ask. */
  readonly lastResort?: boolean | undefined
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** Set when a circuit had to know which call this is. */
  known?: CallEvidence
  /** Set when the call was let through an open circuit. */
  asLastResort?: boolean
  /** Set while the call is a probe. */
  probing?: Probing
  /** Set if the call is a part of that probe: its outcome is for the probe to use. */
  partOf?: Probing
}

/** The clock of the calling fiber, because tests replace it there. */
export const clockOf = (fiber: Fiber.Fiber<unknown, unknown>): Clock.Clock => fiber.getRef(Clock.Clock)
