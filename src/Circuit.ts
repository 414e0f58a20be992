/**
 * The state machine of one circuit: pure functions of state, rules and time on plain data.
 *
 * Time comes in as an argument: whole milliseconds of a clock that never goes back. Every field is an integer, a
 * boolean or a short string, so that a store can keep a circuit wherever it likes and reuse these transitions.
 * Whoever calls them brings atomicity; nothing here reads a clock, draws a number or remembers anything.
 *
 * The rules behind the code:
 *
 * - Every opening, every closing and every entry into half-open starts a new `generation`. An outcome that carries an
 *   older one changes nothing.
 * - Nothing but a close or a reset shortens an open deadline.
 * - A closed circuit reserves nothing. Half-open probes hold a lease each; every outcome frees the slot.
 * - An open circuit becomes half-open by the admission of its first probe, not by a timer.
 *
 * @since 0.1.0
 */

/**
 * `forced_open` and `disabled` are an operator's doing; the other three are the circuit's own.
 *
 * @category models
 * @since 0.1.0
 */
export type State = "closed" | "open" | "half_open" | "forced_open" | "disabled"

/**
 * Why a circuit is in its state.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = typeof reasons[number]

/**
 * Every `Reason`; `initial` is that of a circuit without a past.
 *
 * @category models
 * @since 0.1.0
 */
export const reasons = [
  "initial",
  "threshold",
  "open_now",
  "probe_failed",
  "probe_succeeded",
  "cooldown_elapsed",
  "forced",
  "reset",
  "disabled",
  "enabled"
] as const

/**
 * What stays the same for all calls of a circuit. `rampMillis` 0 means no ramp.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rules {
  readonly probes: number
  readonly successesToClose: number
  readonly probeLeaseMillis: number
  readonly rampMillis: number
  readonly maxHintMillis: number
}

/**
 * A half-open call on its way. Past `leaseUntil` its slot may be taken by another call.
 *
 * @category models
 * @since 0.1.0
 */
export interface Probe {
  readonly id: number
  readonly leaseUntil: number
}

/**
 * The state behind one key. A deadline of 0 means none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Circuit {
  readonly state: State
  readonly reason: Reason
  readonly generation: number
  /** Counted failures in a row. */
  readonly failures: number
  /** Kind of the last counted failure, "" if none since the last close or success. */
  readonly lastFailureKind: string
  /** When the present opening began, and how long it was to last. */
  readonly openedAt: number
  readonly openMillis: number
  readonly openUntil: number
  /** Openings in a row: the step of the open schedule. */
  readonly openings: number
  readonly closedAt: number
  /** Generation and time of the first opening since the circuit was last closed; 0 while healthy. */
  readonly outage: number
  readonly outageAt: number
  readonly probes: ReadonlyArray<Probe>
  /** Probes admitted and succeeded in this half-open window. */
  readonly issued: number
  readonly successes: number
  readonly rampUntil: number
  /** What the calls offered since have earned; one is let through for each `rampMillis`. */
  readonly rampCredit: number
  /** Nobody calls before this, whatever the health. */
  readonly gateUntil: number
  /** Latest wait asked for by the failures of the present streak. */
  readonly hintUntil: number
}

/**
 * What an admitted call holds. `probe` is 0 for a call that is not one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Permit {
  readonly generation: number
  readonly probe: number
}

/**
 * The answer to one call; `circuit` replaces the one asked. `retryAfterMillis` is undefined where nobody knows.
 *
 * @category models
 * @since 0.1.0
 */
export type Admission =
  | { readonly _tag: "Admitted"; readonly permit: Permit; readonly circuit: Circuit }
  | {
    readonly _tag: "Rejected"
    readonly by: "open" | "half_open" | "throttled" | "forced_open"
    readonly retryAfterMillis: number | undefined
    readonly circuit: Circuit
  }

/**
 * What one call said, and what follows if it opens the circuit: the rest of the world as plain data.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly outcome: "Success" | "Failure" | "Ignored" | "Throttled" | "OpenNow"
  readonly kind: string
  /** The wait the dependency asked for, 0 if none. */
  readonly hintMillis: number
  /** Too slow for the trip policy. */
  readonly slow: boolean
  /** The windows of the trip policy, this call included, say that the circuit should open. */
  readonly unhealthy: boolean
  /** Failures in a row that open the circuit, 0 for no such rule. */
  readonly failureThreshold: number
  /** How long the opening numbered `nextOpening` lasts. */
  readonly openMillis: number
}

/**
 * A deadline that never comes: held until a reset.
 *
 * @category constants
 * @since 0.1.0
 */
export const never = Number.MAX_SAFE_INTEGER

/**
 * A closed circuit without a past. Seed the generation from a clock, so that a circuit that was forgotten and made
 * again does not take permits of its former life for its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const initial = (generation: number): Circuit => ({
  state: "closed",
  reason: "initial",
  generation,
  failures: 0,
  lastFailureKind: "",
  openedAt: 0,
  openMillis: 0,
  openUntil: 0,
  openings: 0,
  closedAt: 0,
  outage: 0,
  outageAt: 0,
  probes: [],
  issued: 0,
  successes: 0,
  rampUntil: 0,
  rampCredit: 0,
  gateUntil: 0,
  hintUntil: 0
})

/**
 * Whether every call is admitted as things stand, without a decision to make or a slot to hold.
 *
 * @category queries
 * @since 0.1.0
 */
export const admitsAll = (self: Circuit): boolean =>
  self.state === "disabled" || (self.state === "closed" && self.gateUntil === 0 && self.rampUntil === 0)

/**
 * Whether the permit still belongs to the circuit's present: only then does its outcome count.
 *
 * @category queries
 * @since 0.1.0
 */
export const isCurrent = (self: Circuit, permit: Permit): boolean =>
  permit.generation === self.generation &&
  (permit.probe === 0 ? self.state !== "half_open" : self.probes.some((probe) => probe.id === permit.probe))

/**
 * For how long every call is sure to be rejected from now on: 0 if the next one may be admitted, `never` if only a
 * reset can help.
 *
 * @category queries
 * @since 0.1.0
 */
export const rejectsFor = (self: Circuit, now: number): number => {
  switch (self.state) {
    case "disabled":
      return 0
    case "open":
    case "forced_open":
      return self.openUntil === never ? never : Math.max(0, self.openUntil - now, self.gateUntil - now)
    case "half_open":
    case "closed":
      return Math.max(0, self.gateUntil - now)
  }
}

/**
 * The number the next opening would have: 1 again once the circuit has stayed closed as long as it was last open.
 *
 * @category queries
 * @since 0.1.0
 */
export const nextOpening = (self: Circuit, now: number): number =>
  self.state === "closed" && now - self.closedAt >= self.openMillis ? 1 : self.openings + 1

/**
 * Decides on one call.
 *
 * @category transitions
 * @since 0.1.0
 */
export const admit = (self: Circuit, rules: Rules, now: number): Admission => {
  switch (self.state) {
    case "disabled":
      return pass(self)
    case "open":
    case "forced_open": {
      const millis = rejectsFor(self, now)
      if (millis > 0) return reject(self, self.state, millis === never ? undefined : millis)
      return probe(
        { ...self, state: "half_open", reason: "cooldown_elapsed", generation: self.generation + 1, openUntil: 0 },
        rules,
        now
      )
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

/**
 * Ends an admitted call. Returns the circuit itself when nothing changes, as for every permit of the past.
 *
 * @category transitions
 * @since 0.1.0
 */
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

/**
 * Holds the circuit open until a time, or until a reset with `never`. A later deadline that stands already survives.
 *
 * @category transitions
 * @since 0.1.0
 */
export const force = (self: Circuit, now: number, until: number): Circuit => {
  const openUntil = Math.max(self.openUntil, until)
  if (self.state === "forced_open") return { ...self, openUntil }
  // The openings of a time long past, or of those that did not happen, are not this one's.
  const openings = self.state === "disabled" ? 0 : nextOpening(self, now) - 1
  return { ...opened(self, now, "forced"), state: "forced_open", openUntil, openings }
}

/**
 * Closes the circuit and forgets its past, whatever its state; calls on their way no longer count.
 *
 * @category transitions
 * @since 0.1.0
 */
export const reset = (self: Circuit): Circuit => ({ ...initial(self.generation + 1), reason: "reset" })

/**
 * Lets every call pass and only watches: in this state `openings` counts the openings that did not happen.
 *
 * @category transitions
 * @since 0.1.0
 */
export const disable = (self: Circuit): Circuit =>
  self.state === "disabled" ? self : { ...initial(self.generation + 1), state: "disabled", reason: "disabled" }

/**
 * Ends `disable` with a closed circuit without a past.
 *
 * @category transitions
 * @since 0.1.0
 */
export const enable = (self: Circuit): Circuit =>
  self.state === "disabled" ? { ...initial(self.generation + 1), reason: "enabled" } : self

const pass = (circuit: Circuit): Admission => ({
  _tag: "Admitted",
  permit: { generation: circuit.generation, probe: 0 },
  circuit
})

const reject = (
  circuit: Circuit,
  by: "open" | "half_open" | "throttled" | "forced_open",
  retryAfterMillis: number | undefined
): Admission => ({ _tag: "Rejected", by, retryAfterMillis, circuit })

const probe = (self: Circuit, rules: Rules, now: number): Admission => {
  const id = self.issued + 1
  return {
    _tag: "Admitted",
    permit: { generation: self.generation, probe: id },
    circuit: { ...self, issued: id, probes: [...self.probes, { id, leaseUntil: now + rules.probeLeaseMillis }] }
  }
}

// Each call earns the share of the ramp that has passed, and whoever completes a whole one goes through.
const ramp = (self: Circuit, rules: Rules, now: number): Admission => {
  const elapsed = rules.rampMillis - (self.rampUntil - now)
  const rampCredit = self.rampCredit + elapsed
  return rampCredit >= rules.rampMillis
    ? pass({ ...self, gateUntil: 0, rampCredit: rampCredit - rules.rampMillis })
    : reject({ ...self, rampCredit }, "half_open", Math.max(1, rules.rampMillis - rampCredit - elapsed))
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
        ...initial(freed.generation + 1),
        reason: "probe_succeeded",
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
const trip = (self: Circuit, rules: Rules, now: number, verdict: Verdict, reason: Reason): Circuit => {
  if (self.state === "disabled") return { ...self, failures: 0, hintUntil: 0, openings: self.openings + 1 }
  const openUntil = Math.max(now + verdict.openMillis, now + hint(rules, verdict), self.hintUntil, self.openUntil)
  return {
    ...opened(self, now, reason),
    lastFailureKind: verdict.kind === "" ? self.lastFailureKind : verdict.kind,
    openMillis: openUntil - now,
    openUntil,
    openings: nextOpening(self, now)
  }
}

const opened = (self: Circuit, now: number, reason: Reason): Circuit => {
  const generation = self.generation + 1
  return {
    ...self,
    state: "open",
    reason,
    generation,
    openedAt: now,
    outage: self.outage === 0 ? generation : self.outage,
    outageAt: self.outage === 0 ? now : self.outageAt,
    probes: [],
    issued: 0,
    successes: 0,
    rampUntil: 0,
    rampCredit: 0,
    hintUntil: 0
  }
}

const throttle = (self: Circuit, rules: Rules, now: number, verdict: Verdict): Circuit =>
  self.state === "disabled" ? self : { ...self, gateUntil: Math.max(self.gateUntil, now + hint(rules, verdict)) }

const hint = (rules: Rules, verdict: Verdict): number => Math.min(verdict.hintMillis, rules.maxHintMillis)
