// What a circuit or the route did, for people. Not a word about each call: there are hundreds.
import type { CircuitEvent } from "effect-resilience"
import type { Absence, Tally } from "./tally.ts"

export const circuitSentence = (event: CircuitEvent.CircuitEvent, tally: Tally): string | undefined => {
  switch (event.event) {
    case "circuit.opened":
      return `opened for ${seconds(event.open_for_ms)}: ${why(event)}${kind(event.failure_kind)}`
    case "circuit.half_open":
      return "half-open: one call goes out as a probe"
    case "circuit.probe":
      // After any other result a transition follows, which has a sentence.
      return event.result === "ignored" ? `the probe decided nothing${kind(event.kind)}` : undefined
    case "circuit.closed":
      return `closed: the probe succeeded, after ${seconds(event.open_ms)}`
    case "circuit.throttled":
      return event.at < tally.throttledUntil
        ? undefined
        : `throttled: nobody calls it for ${seconds(event.retry_after_ms)}${kind(event.kind)}`
    default:
      return undefined
  }
}

export const routeSentence = (event: CircuitEvent.CircuitEvent, absence: Absence | undefined): string | undefined => {
  switch (event.event) {
    case "failover.switched":
      return `${event.to_target} serves from here on, ${event.from_target} is out${kind(event.cause)}`
    case "failover.recovered":
      return `${event.to_target} serves again, ${event.from_target} answered ${absence?.answered ?? 0} calls in ${
        seconds(event.failed_over_ms)
      }`
    case "failover.exhausted":
      return `a call failed: ${event.targets.map(({ cause, target }) => `${target} ${cause}`).join(", ")}`
    default:
      return undefined
  }
}

const why = (event: CircuitEvent.Opened) => {
  switch (event.reason) {
    case "threshold":
      return `${event.consecutive_failures} failures in a row`
    case "probe_failed":
      return "the probe failed"
    default:
      return event.reason.replaceAll("_", " ")
  }
}

const seconds = (millis: number) => `${(millis / 1000).toFixed(1)} s`

const kind = (kind: string | undefined) => kind === undefined ? "" : ` (${kind})`
