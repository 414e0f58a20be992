/** The end of an admitted call, and what follows from it. */
import type { Circuit, Permit, Rules, Verdict } from "../../Circuit.ts"
import { opened, renewed } from "./moves.ts"
import { isCurrent, nextOpening } from "./queries.ts"

export const settle = (self: Circuit, rules: Rules, now: number, permit: Permit, verdict: Verdict): Circuit => {
  if (!isCurrent(self, permit)) return self
  switch (self.state) {
    case "open":
    case "forced_open":
      return self
    case "half_open":
      return settleProbe({ ...self, probes: self.probes.filter(({ id }) => id !== permit.probe) }, rules, now, verdict)
    case "disabled":
    case "closed":
      return settleCall(self, rules, now, verdict)
  }
}

const settleCall = (self: Circuit, rules: Rules, now: number, verdict: Verdict): Circuit => {
  switch (verdict.outcome) {
    case "Ignored":
      return self
    case "Throttled":
      return throttle(self, rules, now, verdict)
    case "OpenNow":
      return trip(self, rules, now, verdict, "open_now")
    case "Success":
      if (verdict.unhealthy) return trip({ ...self, failures: 0 }, rules, now, verdict, "threshold")
      return self.failures === 0 ? self : { ...self, failures: 0, lastFailureKind: "", hintUntil: 0 }
    case "Failure": {
      const failures = self.failures + 1
      const counted = { ...self, failures, hintUntil: Math.max(self.hintUntil, now + hint(rules, verdict)) }
      return verdict.unhealthy || (verdict.failureThreshold > 0 && failures >= verdict.failureThreshold)
        ? trip(counted, rules, now, verdict, "threshold")
        : { ...counted, lastFailureKind: verdict.kind }
    }
  }
}

const settleProbe = (freed: Circuit, rules: Rules, now: number, verdict: Verdict): Circuit => {
  switch (verdict.outcome) {
    case "Ignored":
      return freed
    case "Throttled":
      return throttle(freed, rules, now, verdict)
    case "OpenNow":
      return trip(freed, rules, now, verdict, "open_now")
    case "Failure":
      return trip(freed, rules, now, verdict, "probe_failed")
    case "Success": {
      if (verdict.slow) return trip(freed, rules, now, verdict, "probe_failed")
      const successes = freed.successes + 1
      return successes < rules.successesToClose ? { ...freed, successes } : {
        ...renewed(freed, "closed", "probe_succeeded"),
        openMillis: freed.openMillis,
        openings: freed.openings,
        closedAt: now,
        rampUntil: rules.rampMillis === 0 ? 0 : now + rules.rampMillis,
        // The first call goes through.
        rampCredit: rules.rampMillis,
        gateUntil: freed.gateUntil
      }
    }
  }
}

// A disabled circuit only counts the openings it would have made.
const trip = (
  self: Circuit,
  rules: Rules,
  now: number,
  verdict: Verdict,
  reason: "threshold" | "open_now" | "probe_failed"
): Circuit => {
  if (self.state === "disabled") return { ...self, failures: 0, hintUntil: 0, openings: self.openings + 1 }
  const openUntil = Math.max(now + verdict.openMillis, now + hint(rules, verdict), self.hintUntil, self.openUntil)
  return {
    ...opened(self, now, "open", reason),
    lastFailureKind: verdict.kind === "" ? self.lastFailureKind : verdict.kind,
    openMillis: openUntil - now,
    openUntil,
    openings: nextOpening(self, now)
  }
}

const throttle = (self: Circuit, rules: Rules, now: number, verdict: Verdict): Circuit =>
  self.state === "disabled" ? self : { ...self, gateUntil: Math.max(self.gateUntil, now + hint(rules, verdict)) }

const hint = (rules: Rules, verdict: Verdict): number => Math.min(verdict.hintMillis, rules.maxHintMillis)
