/** The part of the script that writes times, states, reasons and events as text. */
export const words = String.raw`
const stateWords = {
  open: "Open", forced_open: "Forced open", half_open: "Half open", disabled: "Disabled", closed: "Closed"
}
const reasonWords = {
  initial: "Nothing happened yet",
  threshold: "Too many failures",
  open_now: "The provider cannot serve",
  probe_failed: "The probe failed",
  probe_succeeded: "Recovered: a probe succeeded",
  cooldown_elapsed: "The open time is over",
  last_resort: "A call with nowhere else to go was served",
  forced: "Held open by an operator",
  reset: "Reset by an operator",
  disabled: "Disabled by an operator: every call passes",
  enabled: "Enabled by an operator"
}

const number = (count) => count.toLocaleString("en")
const plain = (name) => name.replaceAll("_", " ")
const plural = (count, one, many) => number(count) + " " + (count === 1 ? one : many)
const clockTime = (at) => new Date(at).toLocaleTimeString("en-GB")
const duration = (millis) => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 60) return seconds + "s"
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return minutes + "m " + seconds % 60 + "s"
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? hours + "h " + minutes % 60 + "m" : number(Math.floor(hours / 24)) + " days"
}
const latency = (millis) => millis < 1000 ? millis + " ms" : (millis / 1000).toFixed(1) + " s"
const said = (by) => (by.note ? " · “" + by.note + "”" : "") + (by.actor ? " — " + by.actor : "")

const why = (circuit) => {
  const parts = []
  if (circuit.state !== "closed" || circuit.reason !== "initial") parts.push(reasonWords[circuit.reason])
  if (circuit.state === "closed" && circuit.consecutive_failures > 0) {
    parts.push(
      circuit.failure_threshold
        ? circuit.consecutive_failures + " of " + plural(circuit.failure_threshold, "failure", "failures") + " in a row"
        : plural(circuit.consecutive_failures, "failure", "failures") + " in a row"
    )
  }
  if (circuit.failure_rate > 0) parts.push(Math.round(100 * circuit.failure_rate) + " % of calls fail")
  if (circuit.last_failure_kind && circuit.state !== "closed") parts.push("last: " + plain(circuit.last_failure_kind))
  if (circuit.openings > 1) parts.push(plural(circuit.openings, "opening", "openings") + " in a row")
  if (circuit.open_ms > circuit.state_ms + 1000) parts.push("down for " + duration(circuit.open_ms))
  if (circuit.ramping) parts.push("taking its load back")
  if (circuit.would_have_opened > 0) {
    parts.push("would have opened " + plural(circuit.would_have_opened, "time", "times"))
  }
  return parts.join(" · ") + said(circuit)
}

const eventText = (event) => {
  const kind = (name) => name ? ", " + plain(name) : ""
  const time = (millis) => millis === undefined ? "" : " for " + duration(millis)
  switch (event.event) {
    case "circuit.opened":
      return "Opened" + time(event.open_for_ms) + ": " + plain(event.reason) + kind(event.failure_kind)
    case "circuit.half_open": return "Half open: a probe may pass"
    case "circuit.closed": return "Closed after " + duration(event.open_ms)
    case "circuit.failure":
      return "Failure" + kind(event.kind) + " (" + event.consecutive_failures +
        (event.failure_threshold ? " of " + event.failure_threshold : "") + ")"
    case "circuit.slow_call": return "Slow call: " + duration(event.duration_ms)
    case "circuit.throttled": return "Throttled" + time(event.retry_after_ms) + kind(event.kind)
    case "circuit.probe": return "Probe: " + event.result + kind(event.kind)
    case "circuit.self_rejection": return "Probe turned away by itself"
    case "circuit.late_outcome": return "Late outcome: " + plain(event.outcome)
    case "circuit.would_open": return "Would have opened" + kind(event.failure_kind)
    case "circuit.forced": {
      const until = event.open_for_ms === undefined ? " until a reset" : time(event.open_for_ms)
      return "Forced open" + until + said(event)
    }
    case "circuit.reset": return "Reset" + said(event)
    case "circuit.disabled": return "Disabled" + said(event)
    case "circuit.enabled": return "Enabled" + said(event)
    case "failover.switched": return event.from_target + " → " + event.to_target + kind(event.cause)
    case "failover.recovered":
      return event.from_target + " → " + event.to_target + ", back after " + duration(event.failed_over_ms)
    case "failover.exhausted":
      return "No target served: " + event.targets.map(({ target, cause }) => target + kind(cause)).join("; ")
    case "failover.moved":
      return event.from_target + " → " + event.to_target + kind(event.cause) + ": " + event.calls + " calls sent on"
    case "failover.refused":
      return event.target + " refuses the account" + kind(event.kind) + ": " + event.calls + " calls"
    case "failover.probe": return "Health probe of " + event.target + ": " + event.result
    default: return plain(event.event.replace(".", " ")) + (event.error ? ": " + event.error : "")
  }
}
const isChange = (event) => event.to !== undefined || /^(store\.(de|re)|failover\.[sre])/.test(event.event)
`
