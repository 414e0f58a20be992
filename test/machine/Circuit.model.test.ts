import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Schema } from "effect"
import { Circuit } from "effect-resilience"
import { isLegal } from "../model/isLegal.ts"

interface Call {
  readonly period: number
  readonly at: number
  /** Probes are numbered within their period; other calls are 0. */
  readonly probe: number
  ended: boolean
}

interface Period {
  readonly state: Circuit.State
  readonly reason: Circuit.Reason
  readonly from: number
  /** The deadlines that it was given. */
  readonly until: Array<number>
}

interface Said {
  readonly period: number
  readonly at: number
  readonly verdict: Circuit.Verdict
}

/**
 * A second opinion: a circuit that forgets nothing. It keeps every period, call and verdict there ever was and works
 * out each answer from them. Slow, and without a field in common with the machine. It has no opinion on which calls
 * a ramp lets through.
 */
class History {
  readonly periods: Array<Period> = [{ state: "closed", reason: "initial", from: 0, until: [] }]
  readonly calls: Array<Call> = []
  readonly said: Array<Said> = []
  readonly rules: Circuit.Rules
  constructor(rules: Circuit.Rules) {
    this.rules = rules
  }

  get generation(): number {
    return this.periods.length - 1
  }
  get current(): Period {
    return this.periods[this.generation]!
  }
  /** The first of the periods since everything was forgotten. */
  get memory(): number {
    return this.periods.findLastIndex(({ reason }) => ["initial", "reset", "disabled", "enabled"].includes(reason))
  }
  asked({ at, verdict }: Said): number {
    return at + Math.min(verdict.hintMillis, this.rules.maxHintMillis)
  }
  get gate(): number {
    const throttled = this.said.filter(({ period, verdict }) =>
      period >= this.memory && verdict.outcome === "Throttled" && this.periods[period]!.state !== "disabled"
    )
    return Math.max(0, ...throttled.map((said) => this.asked(said)))
  }
  /** The failures in a row of this period, and how often it would have opened. */
  get streak(): { readonly row: ReadonlyArray<Said>; readonly openings: number } {
    let row: Array<Said> = []
    let openings = 0
    for (const said of this.said.filter(({ period }) => period === this.generation)) {
      const { failureThreshold, outcome, unhealthy } = said.verdict
      if (outcome === "Ignored" || outcome === "Throttled") continue
      if (outcome === "Failure") row.push(said)
      const opens = outcome === "OpenNow" || unhealthy ||
        (outcome === "Failure" && failureThreshold > 0 && row.length >= failureThreshold)
      if (opens) openings++
      if (opens || outcome === "Success") row = []
    }
    return { row, openings }
  }
  get lastKind(): string {
    const healthy = this.periods.findLastIndex(({ state }) => state === "closed" || state === "disabled")
    return this.said.filter(({ period }) => period >= healthy).reduce((kind, { period, verdict }) => {
      if (verdict.outcome === "Ignored" || verdict.outcome === "Throttled") return kind
      if (verdict.outcome !== "Success") return verdict.kind
      if (this.periods[period]!.state === "half_open") return verdict.slow && verdict.kind !== "" ? verdict.kind : kind
      return verdict.unhealthy ? (verdict.kind === "" ? kind : verdict.kind) : ""
    }, "")
  }
  get probing(): ReadonlyArray<Call> {
    const probes = this.calls.filter(({ period, probe }) => period === this.generation && probe > 0)
    // A lease is lost to the first probe admitted after it ran out.
    const taken = (call: Call) =>
      probes.some(({ at, probe }) => probe > call.probe && at >= call.at + this.rules.probeLeaseMillis)
    return probes.filter((call) => !call.ended && !taken(call))
  }
  get deadline(): number {
    const from = this.periods.findLastIndex(({ state }) => state !== "open" && state !== "forced_open") + 1
    return Math.max(0, ...this.periods.slice(from).flatMap(({ until }) => until))
  }
  /** The period in which the present outage began. */
  get outage(): number {
    const healthy = this.periods.findLastIndex(({ state }) => state === "closed" || state === "disabled")
    return healthy === this.generation ? -1 : healthy + 1
  }
  /** The number of the next opening: openings in a row, unless the circuit stayed closed as long as the last one. */
  nextOpening(now: number): number {
    let openings = 0
    let length = 0
    this.periods.slice(this.memory).forEach(({ from, state, until }, index, periods) => {
      if (state === "open") {
        openings++
        length = Math.max(...until) - from
      } else if (state === "closed" && (periods[index + 1]?.from ?? now) - from >= length) openings = 0
    })
    return openings + 1
  }

  /** Whether the last period in which calls passed freely was a bypass, which keeps no kinds. */
  get bypassed(): boolean {
    return this.periods.findLast(({ state }) => state === "closed" || state === "disabled")!.state === "disabled"
  }

  begin(state: Circuit.State, reason: Circuit.Reason, from: number, ...until: Array<number>): void {
    this.periods.push({ state, reason, from, until })
  }
  /** Answers with the number of the probe, 0 for another call, or who turns it away and for how long. */
  admit(now: number, rampAdmits: boolean): number | { readonly by: string; readonly left: number | undefined } {
    const { from, reason, state } = this.current
    const until = Math.max(this.deadline, this.gate)
    if (state === "disabled") return this.call(now, 0)
    if (state === "open" || state === "forced_open") {
      if (now < until) return { by: state, left: until === Circuit.never ? undefined : until - now }
      this.begin("half_open", "cooldown_elapsed", now)
      return this.call(now, 1)
    }
    if (now < this.gate) return { by: "throttled", left: this.gate - now }
    if (state === "closed") {
      const ramping = reason === "probe_succeeded" && now < from + this.rules.rampMillis
      const first = !this.calls.some(({ period }) => period === this.generation)
      return ramping && !first && !rampAdmits ? { by: "half_open", left: undefined } : this.call(now, 0)
    }
    const live = this.probing.filter(({ at }) => now < at + this.rules.probeLeaseMillis)
    const issued = this.calls.filter(({ period }) => period === this.generation).length
    return live.length < this.rules.probes ? this.call(now, issued + 1) : { by: "half_open", left: undefined }
  }
  private call(at: number, probe: number): number {
    this.calls.push({ period: this.generation, at, probe, ended: false })
    return probe
  }
  settle(call: Call, at: number, verdict: Circuit.Verdict): void {
    if (call.period !== this.generation || (call.probe > 0 && !this.probing.includes(call))) return
    const { state } = this.current
    const { openings, row } = this.streak
    const said = { period: this.generation, at, verdict }
    call.ended = true
    this.said.push(said)
    const trip = (reason: Circuit.Reason) => {
      const waits = state === "closed" ? row.map((said) => this.asked(said)) : []
      this.begin("open", reason, at, at + verdict.openMillis, this.asked(said), ...waits)
    }
    if (state === "disabled" || verdict.outcome === "Ignored" || verdict.outcome === "Throttled") return
    if (verdict.outcome === "OpenNow") return trip("open_now")
    if (state === "closed") return this.streak.openings > openings ? trip("threshold") : undefined
    if (verdict.outcome === "Failure" || verdict.slow) return trip("probe_failed")
    const successes = this.said.filter(({ period, verdict }) =>
      period === this.generation && verdict.outcome === "Success"
    )
    if (successes.length === this.rules.successesToClose) this.begin("closed", "probe_succeeded", at)
  }
  force(now: number, until: number): void {
    if (this.current.state === "forced_open") this.current.until.push(until)
    else this.begin("forced_open", "forced", now, until)
  }

  /** What can be said of the circuit now. */
  view(now: number) {
    const { from, reason, state } = this.current
    const sick = state !== "closed" && state !== "disabled"
    const began = this.periods.findLastIndex(({ state }) => state === "open" || state === "forced_open")
    return {
      state,
      reason,
      generation: this.generation,
      failures: sick ? undefined : this.streak.row.length,
      gate: Math.max(0, state === "disabled" ? 0 : this.gate - now),
      lastKind: this.bypassed ? undefined : this.lastKind,
      outage: sick ? [this.outage, this.periods[this.outage]!.from, this.periods[began]!.from] : undefined,
      deadline: state === "open" || state === "forced_open" ? this.deadline : undefined,
      probing: this.probing.map(({ at, probe }) => [probe, at + this.rules.probeLeaseMillis]),
      successes: state === "half_open"
        ? this.said.filter(({ period, verdict }) => period === this.generation && verdict.outcome === "Success").length
        : 0,
      ramping: reason === "probe_succeeded" && now < from + this.rules.rampMillis,
      wouldHaveOpened: state === "disabled" ? this.streak.openings : undefined
    }
  }
}

/** The same, said by the machine. */
const view = (self: Circuit.Circuit, now: number, forgot: boolean): ReturnType<History["view"]> => {
  const { openUntil, state } = self
  const sick = state !== "closed" && state !== "disabled"
  return {
    state,
    reason: self.reason,
    generation: self.generation,
    failures: sick ? undefined : self.failures,
    gate: Math.max(0, self.gateUntil - now),
    lastKind: forgot ? undefined : self.lastFailureKind,
    outage: sick ? [self.outage, self.outageAt, self.openedAt] : undefined,
    deadline: state === "open" || state === "forced_open" ? openUntil : undefined,
    probing: self.probes.map(({ id, leaseUntil }) => [id, leaseUntil]),
    successes: self.successes,
    ramping: now < self.rampUntil,
    wouldHaveOpened: state === "disabled" ? self.openings : undefined
  }
}

const edge = (before: Circuit.Circuit, { reason, state }: Circuit.Circuit) => `${before.state} ${reason} ${state}`

/** An assertion that holds is slow, and walks make millions of them: here only one that fails is made. */
const same = <A>(actual: A, expected: A, message?: string) => {
  if (!Object.is(actual, expected)) assert.strictEqual(actual, expected, message)
}

/** What must be true of every step, by a call or by an operator. */
const checkStep = (before: Circuit.Circuit, after: Circuit.Circuit, rules: Circuit.Rules, now: number) => {
  if (after.generation === before.generation) {
    same(after.state, before.state)
    same(after.reason, before.reason)
  } else {
    same(after.generation, before.generation + 1)
    if (!isLegal(before.state, after.reason, after.state)) assert.fail(edge(before, after))
  }
  same(after.probes.length <= rules.probes, true, "more probes than there are slots")
  same(after.probes.length === 0 || after.state === "half_open", true, "probes, and not half-open")
  const whole = Object.values(after).every((value) =>
    typeof value !== "number" || (Number.isSafeInteger(value) && value >= 0)
  )
  same(whole, true, "a number is not a whole one of 0 or more")
  const held = ({ state }: Circuit.Circuit) => state === "open" || state === "forced_open"
  if (held(before) && held(after)) same(after.openUntil >= before.openUntil, true, "a shortened deadline")
  const sick = (self: Circuit.Circuit) => held(self) || self.state === "half_open"
  same(after.outage > 0, sick(after))
  if (sick(before) && sick(after)) same(after.outage, before.outage)
  if (!["reset", "disabled", "enabled"].includes(after.reason) && before.gateUntil > now) {
    same(after.gateUntil >= before.gateUntil, true, "a shortened gate")
  }
  checkNotStuck(after, rules, now)
  const next = Circuit.admit(after, rules, now)
  const sure = next._tag === "Rejected" && next.by !== "half_open"
  same(Circuit.rejectsFor(after, now), sure ? next.retryAfterMillis ?? Circuit.never : 0)
}

const checkNotStuck = (self: Circuit.Circuit, rules: Circuit.Rules, now: number) => {
  if (self.state === "forced_open" && self.openUntil === Circuit.never) return
  const leases = self.probes.map(({ leaseUntil }) => leaseUntil)
  const later = Math.max(now, self.openUntil, self.gateUntil, self.rampUntil, ...leases)
  same(Circuit.admit(self, rules, later)._tag, "Admitted", "stuck")
}

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const Rules = Schema.Struct({
  probes: int(1, 3),
  successesToClose: int(1, 3),
  probeLeaseMillis: int(1, 20),
  rampMillis: int(0, 20),
  maxHintMillis: int(1, 15)
})

const Wait = Schema.Struct({ _tag: Schema.tag("Wait"), millis: int(0, 15) })
const Admit = Schema.Struct({ _tag: Schema.tag("Admit") })
const Settle = Schema.Struct({
  _tag: Schema.tag("Settle"),
  /** Counted back from the last admitted call. */
  permit: int(0, 5),
  outcome: Schema.Literals(["Success", "Failure", "Failure", "Ignored", "Throttled", "OpenNow"]),
  kind: Schema.Literals(["timeout", "server_error"]),
  hintMillis: int(0, 20),
  slow: Schema.Boolean,
  unhealthy: Schema.Boolean,
  failureThreshold: int(0, 4),
  openMillis: int(1, 20)
})
const Force = Schema.Struct({ _tag: Schema.tag("Force"), until: Schema.Union([int(0, 20), Schema.Literal("never")]) })
const Control = Schema.Struct({ _tag: Schema.Literals(["Reset", "Disable", "Enable"]) })

const commands = Arbitrary.array(
  Arbitrary.schema(Schema.Union([Admit, Settle, Wait, Admit, Settle, Wait, Admit, Settle, Force, Control])),
  { maxLength: 60 }
)
type Command = (typeof commands) extends Arbitrary.Arbitrary<infer C> ? C : never

/** Runs machine and history side by side, and looks at both after each command. */
const play = (
  rules: Circuit.Rules,
  commands: Command,
  look: (circuit: Circuit.Circuit, history: History, now: number) => void
) => {
  const history = new History(rules)
  let circuit = Circuit.initial(0)
  let now = 0
  const permits: Array<{ readonly permit: Circuit.Permit; readonly call: Call }> = []
  for (const command of commands) {
    const before = circuit
    switch (command._tag) {
      case "Wait":
        now += command.millis
        break
      case "Admit": {
        const admission = Circuit.admit(circuit, rules, now)
        const answer = history.admit(now, admission._tag === "Admitted")
        circuit = admission.circuit
        if (admission._tag === "Admitted") {
          assert.strictEqual(admission.permit.probe, answer)
          permits.unshift({ permit: admission.permit, call: history.calls.at(-1)! })
        } else {
          const ramp = circuit.state === "closed" && admission.by === "half_open"
          assert.deepStrictEqual({ by: admission.by, left: ramp ? undefined : admission.retryAfterMillis }, answer)
        }
        break
      }
      case "Settle": {
        const chosen = permits[command.permit]
        // A call ends once; only a probe is distinguished well enough to refuse a second end.
        if (chosen === undefined || (chosen.call.ended && chosen.call.probe === 0)) break
        const kind = command.outcome === "Success" ? (command.slow ? "slow" : "") : command.kind
        const verdict: Circuit.Verdict = { ...command, kind }
        const old = !Circuit.isCurrent(circuit, chosen.permit)
        circuit = Circuit.settle(circuit, rules, now, chosen.permit, verdict)
        if (old) assert.strictEqual(circuit, before, "a permit of the past changed something")
        history.settle(chosen.call, now, verdict)
        break
      }
      case "Force": {
        const until = command.until === "never" ? Circuit.never : now + command.until
        circuit = Circuit.force(circuit, now, until)
        history.force(now, until)
        break
      }
      case "Reset":
        circuit = Circuit.reset(circuit)
        history.begin("closed", "reset", now)
        break
      case "Disable":
        if (circuit.state !== "disabled") history.begin("disabled", "disabled", now)
        circuit = Circuit.disable(circuit)
        break
      case "Enable":
        if (circuit.state === "disabled") history.begin("closed", "enabled", now)
        circuit = Circuit.enable(circuit)
        break
    }
    checkStep(before, circuit, rules, now)
    look(circuit, history, now)
  }
}

describe("Circuit and a history of everything", () => {
  it.prop("answer alike and are in the same state after every step", { rules: Rules, commands }, (given) => {
    play(given.rules, given.commands, (circuit, history, now) => {
      const expected = history.view(now)
      assert.deepStrictEqual(view(circuit, now, expected.lastKind === undefined), expected)
    })
  }, { arbitrary: { runs: 2000, size: 60 } })

  it.prop("W10: number the openings alike", { rules: Rules, commands }, (given) => {
    play(given.rules, given.commands, (circuit, history, now) => {
      if (circuit.state === "disabled") return
      assert.strictEqual(Circuit.nextOpening(circuit, now), history.nextOpening(now))
    })
  }, { arbitrary: { runs: 1000, size: 60 } })
})

describe("every circuit that small rules can reach", () => {
  const deadlines = new Set(["openUntil", "rampUntil", "gateUntil", "hintUntil"])
  const ignored = new Set([
    "reason",
    "generation",
    "lastFailureKind",
    "openedAt",
    "openMillis",
    "closedAt",
    "outage",
    "outageAt",
    "issued"
  ])

  /** Equal for circuits that behave alike from now on. */
  const canonical = (self: Circuit.Circuit, now: number): string => {
    const left = (until: number) => until === Circuit.never ? until : Math.max(0, until - now)
    const fields = Object.entries(self).flatMap(([name, value]) => {
      if (ignored.has(name)) return []
      if (deadlines.has(name)) return [left(Number(value))]
      if (name === "probes") return [self.probes.map(({ leaseUntil }) => left(leaseUntil))]
      // Counters of openings and of calls offered to a ramp have no end; more of the same brings nothing new.
      return [typeof value === "number" ? Math.min(value, 3) : value]
    })
    return JSON.stringify([...fields, left(self.closedAt + self.openMillis)])
  }

  const said = (outcome: Circuit.Verdict["outcome"], fields: Partial<Circuit.Verdict> = {}): Circuit.Verdict => ({
    outcome,
    kind: "timeout",
    hintMillis: 0,
    slow: false,
    unhealthy: false,
    failureThreshold: 0,
    openMillis: 2,
    ...fields
  })

  const walk = (rules: Circuit.Rules, failureThreshold: number) => {
    const verdicts = [
      said("Success"),
      said("Success", { slow: true, unhealthy: true }),
      said("Failure", { failureThreshold }),
      said("Failure", { failureThreshold, hintMillis: 3 }),
      said("Ignored"),
      said("Throttled", { hintMillis: 2 }),
      said("OpenNow")
    ]
    /** Every circuit that one step leads to, a millisecond later or at once. */
    const steps = (self: Circuit.Circuit, now: number): ReadonlyArray<Circuit.Circuit> => {
      const { generation } = self
      const permits = self.state === "half_open"
        ? self.probes.map(({ id }) => ({ generation, probe: id }))
        : [{ generation, probe: 0 }]
      const old = [
        { generation: generation - 1, probe: 0 },
        { generation: generation - 1, probe: 1 },
        { generation, probe: self.state === "half_open" ? 0 : 1 },
        { generation, probe: self.issued + 1 }
      ]
      for (const permit of old) {
        const changed = verdicts.filter((verdict) => Circuit.settle(self, rules, now, permit, verdict) !== self)
        same(changed.length, 0, "a permit of the past changed something")
      }
      return [
        self,
        Circuit.admit(self, rules, now).circuit,
        Circuit.admitEarly(self, rules, now).circuit,
        ...permits.flatMap((permit) => verdicts.map((verdict) => Circuit.settle(self, rules, now, permit, verdict))),
        Circuit.force(self, now, now + 1),
        Circuit.force(self, now, now + 3),
        Circuit.force(self, now, Circuit.never),
        Circuit.reset(self),
        Circuit.disable(self),
        Circuit.enable(self)
      ]
    }
    const seen = new Set<string>()
    const found = new Set<string>()
    const queue: Array<readonly [Circuit.Circuit, number]> = [[Circuit.initial(1), 1]]
    for (const [self, now] of queue) {
      for (const next of new Set(steps(self, now))) {
        checkStep(self, next, rules, now)
        if (next.generation !== self.generation) found.add(edge(self, next))
        for (const later of [now, now + 1]) {
          const key = canonical(next, later)
          if (seen.has(key)) continue
          seen.add(key)
          queue.push([next, later])
        }
      }
    }
    return found
  }

  const everyRules = [1, 2].flatMap((probes) =>
    [1, 2].flatMap((successesToClose) =>
      [0, 2].flatMap((rampMillis) =>
        [1, 2].map((failureThreshold) => ({ probes, successesToClose, rampMillis, failureThreshold }))
      )
    )
  )

  it.each(everyRules)(
    "I12, I26, I29: takes every legal edge and no other with $probes probes, $successesToClose to close, a ramp of $rampMillis ms and " +
      "$failureThreshold failures to open",
    ({ failureThreshold, ...rules }) => {
      const found = walk({ ...rules, probeLeaseMillis: 3, maxHintMillis: 3 }, failureThreshold)
      const legal = Object.entries(Circuit.edges).flatMap(([reason, { from, to }]) =>
        from.map((from) => `${from} ${reason} ${to}`)
      )
      assert.sameMembers(Array.from(found), legal)
    }
  )
})
