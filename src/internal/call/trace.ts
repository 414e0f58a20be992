/** Writes calls to the caller's span: the state as attributes, and what happens as events. */
import { type Clock, Duration, type Fiber, type Tracer } from "effect"
import type { Permit } from "../../Circuit.ts"
import { rejectedBy, type Rejection } from "../../CircuitError.ts"
import type { CircuitHandle } from "../../CircuitStore.ts"
import { kindOf, type Outcome, outcomes } from "../../Outcome.ts"
import { wholeMillis } from "../clock/time.ts"
import type { Reporter } from "../observers/observer.ts"

interface Traced {
  readonly circuit: CircuitHandle
  readonly clock: Clock.Clock
  readonly hub: Pick<Reporter, "faulted">
  readonly span: Tracer.Span | undefined
}

export const spanOf = ({ cache: { span } }: Fiber.Fiber<unknown, unknown>): Tracer.Span | undefined =>
  span?._tag === "Span" ? span : undefined

export const admitted = (call: Traced, { probe }: Permit): void =>
  tell(call, (span) => {
    stand(call, span, true)
    if (probe > 0) span.attribute("circuit.probe", true)
  })

export const rejected = (call: Traced, reason: Rejection): void =>
  tell(call, (span) => {
    stand(call, span, false)
    happened(call, span, "circuit.skipped", {
      "circuit.rejected_by": rejectedBy(reason),
      ...(reason.retryAfter === undefined ? {} : { "circuit.retry_after_ms": Duration.toMillis(reason.retryAfter) }),
      ...(reason._tag === "CircuitOpen" ? { "circuit.outage_id": reason.outageId } : {})
    })
  })

/** Failures are events of the span and not its `error.type`, because a retry may still succeed. */
export const ended = (call: Traced, permit: Permit | undefined, outcome: Outcome, interrupted: boolean): void =>
  tell(call, (span) => {
    const result = interrupted ? "interrupted" : outcomes[outcome._tag]
    if (permit !== undefined && permit.probe > 0) {
      happened(call, span, "circuit.probe", { "circuit.outcome": result, ...errorType(outcome) })
    } else if (outcome._tag === "Throttled") {
      happened(call, span, "circuit.throttled", {
        "circuit.retry_after_ms": wholeMillis(outcome.retryAfter),
        ...errorType(outcome)
      })
    } else if (outcome._tag !== "Success" && !interrupted) {
      happened(call, span, "circuit.failure", { "circuit.outcome": result, ...errorType(outcome) })
    }
  })

export const firstContent = (call: Traced, millis: number): void =>
  tell(call, (span) => span.attribute("gen_ai.response.time_to_first_chunk", millis / 1000))

/** The names of a target in spans. */
interface TargetName {
  readonly name: string
  readonly route: string
}

/** The span of a call of a router. */
export type TracedCall = Omit<Traced, "circuit">

/** A call goes to a target. The last one that the span names has served, if any did. */
export const asked = (call: TracedCall, { name, route }: TargetName): void =>
  tell(call, (span) => {
    span.attribute("failover.route", route)
    span.attribute("failover.target", name)
  })

/** A call goes on to another target. */
export const failedOver = (call: TracedCall, from: TargetName, to: TargetName, cause: string): void =>
  tell(call, (span) =>
    span.event("failover", call.clock.currentTimeNanosUnsafe(), {
      "failover.route": from.route,
      "failover.from_target": from.name,
      "failover.to_target": to.name,
      "failover.cause": cause
    }))

const stand = ({ circuit }: Traced, span: Tracer.Span, admitted: boolean) => {
  span.attribute("circuit.key", circuit.key)
  span.attribute("circuit.state", circuit.stateName)
  span.attribute("circuit.admitted", admitted)
}

const happened = ({ circuit, clock }: Traced, span: Tracer.Span, event: string, attributes: Record<string, unknown>) =>
  span.event(event, clock.currentTimeNanosUnsafe(), { "circuit.key": circuit.key, ...attributes })

const errorType = (outcome: Outcome) => outcome._tag === "Success" ? {} : { "error.type": kindOf(outcome) }

// Contains errors of the tracer. Skips a span that has ended, because a stream may outlive the span it began in.
const tell = ({ hub, span }: Pick<Traced, "hub" | "span">, one: (span: Tracer.Span) => void): void => {
  if (span === undefined) return
  try {
    if (span.sampled && span.status._tag !== "Ended") one(span)
  } catch (error) {
    hub.faulted("tracer", error)
  }
}
