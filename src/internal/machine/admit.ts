/** The decision on one call. */
import type { Admission, Circuit, RejectedBy, Rules } from "../../Circuit.ts"
import { moved } from "./moves.ts"
import { never, rejectsFor } from "./queries.ts"
import { earn } from "./ramp.ts"

export const admit = (self: Circuit, rules: Rules, now: number): Admission => {
  switch (self.state) {
    case "disabled":
      return pass(self)
    case "open":
    case "forced_open": {
      const millis = rejectsFor(self, now)
      if (millis > 0) return reject(self, self.state, millis === never ? undefined : millis)
      return probe({ ...moved(self, "half_open", "cooldown_elapsed"), openUntil: 0 }, rules, now)
    }
    case "half_open": {
      if (now < self.gateUntil) return reject(self, "throttled", self.gateUntil - now)
      const probes = self.probes.filter((probe) => now < probe.leaseUntil)
      return probes.length >= rules.probes
        ? reject(self, "half_open", undefined)
        : probe({ ...self, probes }, rules, now)
    }
    case "closed": {
      if (now < self.gateUntil) return reject(self, "throttled", self.gateUntil - now)
      if (self.rampUntil === 0) return pass(self.gateUntil === 0 ? self : { ...self, gateUntil: 0 })
      if (now >= self.rampUntil) {
        return pass({ ...self, gateUntil: 0, rampUntil: 0, rampCredit: 0 })
      }
      return ramp(self, rules, now)
    }
  }
}

export const admitEarly = (self: Circuit, rules: Rules, now: number): Admission =>
  self.state === "open"
    ? probe({ ...moved(self, "half_open", "last_resort"), openUntil: 0 }, rules, now)
    : admit(self, rules, now)

const pass = (circuit: Circuit): Admission => ({
  _tag: "Admitted",
  permit: { generation: circuit.generation, probe: 0 },
  circuit
})

const reject = (circuit: Circuit, by: RejectedBy, retryAfterMillis: number | undefined): Admission => ({
  _tag: "Rejected",
  by,
  retryAfterMillis,
  circuit
})

const probe = (self: Circuit, rules: Rules, now: number): Admission => {
  const id = self.issued + 1
  return {
    _tag: "Admitted",
    permit: { generation: self.generation, probe: id },
    circuit: { ...self, issued: id, probes: [...self.probes, { id, leaseUntil: now + rules.probeLeaseMillis }] }
  }
}

const ramp = (self: Circuit, rules: Rules, now: number): Admission => {
  const elapsed = rules.rampMillis - (self.rampUntil - now)
  const { credit: rampCredit, passes } = earn(self.rampCredit, elapsed, rules.rampMillis)
  return passes
    ? pass({ ...self, gateUntil: 0, rampCredit })
    : reject({ ...self, rampCredit }, "half_open", Math.max(1, rules.rampMillis - rampCredit - elapsed))
}
