/**
 * Stands in for the failover router, which this library does not have yet: asks the targets of a route in order, and
 * tells the observers of its instance what the router will tell them. It has none of the router's rules.
 */
import { Clock, Effect } from "effect"
import { CircuitError, type CircuitEvent, type FailoverEvent, LlmOutcome, Outcome } from "effect-resilience"
import { ask, type Instance } from "./Instance.ts"

type Cause = typeof FailoverEvent.Cause.Type

export const make = (instance: Instance, url: string, route: string, targets: ReadonlyArray<string>) => {
  let active = targets[0]!
  let leftAt = 0

  const tell = (event: CircuitEvent.CircuitEvent) =>
    Effect.sync(() => {
      for (const observer of instance.observers) {
        // As the library does: what an observer throws is its own affair.
        try {
          observer.onEvent?.(event)
        } catch {}
      }
    })

  const serves = Effect.fnUntraced(function*(target: string, cause: Cause | undefined) {
    if (target === active) return
    const at = yield* Clock.currentTimeMillis
    const common = { route, at, from_target: active, to_target: target }
    if (active === targets[0]) leftAt = at
    active = target
    yield* target === targets[0]
      ? tell({ event: "failover.recovered", ...common, failed_over_ms: at - leftAt })
      : tell({ event: "failover.switched", ...common, cause: cause ?? "unknown" })
  })

  /** One call of a user. */
  return Effect.gen(function*() {
    const failed: Array<{ readonly target: string; readonly cause: Cause }> = []
    for (const target of targets) {
      const exit = yield* Effect.exit(instance.run(ask(url, target)))
      if (exit._tag === "Success") return yield* serves(target, failed.at(-1)?.cause)
      failed.push({ target, cause: causeOf(exit) })
    }
    yield* tell({ event: "failover.exhausted", route, at: yield* Clock.currentTimeMillis, targets: failed })
  })
}

const causeOf = (exit: Parameters<typeof LlmOutcome.classify>[0]): Cause => {
  const error = exit._tag === "Failure" ? exit.cause.reasons.find(({ _tag }) => _tag === "Fail") : undefined
  const rejection = error?._tag === "Fail" && CircuitError.isCircuitBreakerError(error.error) ? error.error : undefined
  switch (rejection?.reason._tag) {
    case "CircuitOpen":
      return "open"
    case "CircuitHalfOpen":
      return "half_open"
    case "CircuitThrottled":
      return "throttled"
    case "CircuitForcedOpen":
      return "forced_open"
    default:
      return Outcome.kindOf(LlmOutcome.classify(exit)) ?? "unknown"
  }
}
