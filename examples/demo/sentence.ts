// What a circuit did, for people. Not a word about each skipped call: there are hundreds.
import type { CircuitEvent } from "effect-resilience"
import type { Tally } from "./tally.ts"

export const sentence = (event: CircuitEvent.CircuitEvent, tally: Tally): string | undefined => {
  switch (event.event) {
    case "circuit.opened":
      return `opened for ${seconds(event.open_for_ms)}: ${why(event)}${kind(event.failure_kind)}`
    case "circuit.skipped":
      // Once per outage.
      return event.rejected_by === "open" && tally.saved === tally.savedBeforeOutage
        ? "calls are skipped from here on, the provider is left alone"
        : undefined
    case "circuit.half_open":
      return "half-open: one probe goes out"
    case "circuit.probe":
      // Any other result is told by the transition that follows.
      return event.result === "ignored" ? `the probe decided nothing${kind(event.kind)}` : undefined
    case "circuit.closed":
      return `closed: the probe succeeded, after ${seconds(event.open_ms)} and ${
        tally.saved - tally.savedBeforeOutage
      } calls not sent`
    case "circuit.throttled":
      return event.at < tally.throttledUntil
        ? undefined
        : `throttled: nobody calls for ${seconds(event.retry_after_ms)}${kind(event.kind)}`
    default:
      return undefined
  }
}

const why = (event: typeof CircuitEvent.Opened.Type) => {
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
