import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Schema, Scope } from "effect"
import { Circuit, CircuitBreaker, CircuitStore, Outcome, TripPolicy } from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { compilePolicy } from "../../src/internal/options/compiledPolicy.ts"

const rules: Circuit.Rules = {
  probes: 1,
  successesToClose: 1,
  probeLeaseMillis: 1000,
  rampMillis: 0,
  maxHintMillis: 3_600_000
}

const verdict = (outcome: Circuit.Verdict["outcome"], fields: Partial<Circuit.Verdict> = {}): Circuit.Verdict => ({
  outcome,
  kind: outcome === "Success" ? "" : "server_error",
  hintMillis: 0,
  slow: false,
  unhealthy: false,
  failureThreshold: 3,
  openMillis: 60_000,
  ...fields
})
const success = verdict("Success")
const failure = verdict("Failure")
const fatal = verdict("Failure", { failureThreshold: 1 })

const admitted = (self: Circuit.Circuit, now: number, r = rules) => {
  const admission = Circuit.admit(self, r, now)
  assert(admission._tag === "Admitted")
  return admission
}
const rejected = (self: Circuit.Circuit, now: number, r = rules) => {
  const admission = Circuit.admit(self, r, now)
  assert(admission._tag === "Rejected")
  return { by: admission.by, retryAfterMillis: admission.retryAfterMillis }
}
/** One call from admission to settlement, at one instant. */
const call = (self: Circuit.Circuit, now: number, said: Circuit.Verdict, r = rules) => {
  const { circuit, permit } = admitted(self, now, r)
  return Circuit.settle(circuit, r, now, permit, said)
}

const closed = Circuit.initial(7)
/** Opened at 1,000 for a minute. */
const open = call(closed, 1000, fatal)
const { circuit: halfOpen, permit: probe } = admitted(open, 61_000)
const forcedOpen = Circuit.force(closed, 1000, 61_000)
const disabled = Circuit.disable(closed)
const states = [closed, open, halfOpen, forcedOpen, disabled].map((circuit) => [circuit.state, circuit] as const)

describe("closed", () => {
  it("I1: a new circuit is closed, without failures, and admits every call", () => {
    assert.strictEqual(closed.state, "closed")
    assert.strictEqual(closed.failures, 0)
    assert.isTrue(Circuit.admitsAll(closed))
    assert.strictEqual(admitted(closed, 0).circuit, closed)
    assert.deepInclude(closed, { reason: "initial", lastFailureKind: "" })
  })

  it("I3: opens at exactly the threshold", () => {
    const twice = call(call(closed, 1, failure), 2, failure)
    assert.strictEqual(twice.state, "closed")
    const thrice = call(twice, 3, failure)
    assert.deepInclude(thrice, { state: "open", reason: "threshold", generation: 8, openedAt: 3, openUntil: 60_003 })
  })

  it("I4: a success ends the streak of failures", () => {
    const twice = call(call(closed, 1, failure), 2, failure)
    const again = call(call(call(twice, 3, success), 4, failure), 5, failure)
    assert.deepInclude(again, { state: "closed", failures: 2 })
    assert.strictEqual(call(again, 6, failure).state, "open")
  })

  it("a success forgets what failed last, and changes nothing of a circuit without failures", () => {
    const failed = call(closed, 1, failure)
    assert.strictEqual(failed.lastFailureKind, "server_error")
    assert.deepStrictEqual(call(failed, 2, success), closed)
    assert.strictEqual(call(closed, 2, success), closed)
  })

  it("counts no streak when the policy has no threshold", () => {
    const many = Array.from({ length: 100 }).reduce<Circuit.Circuit>(
      (circuit) => call(circuit, 1, verdict("Failure", { failureThreshold: 0 })),
      closed
    )
    assert.strictEqual(many.state, "closed")
  })

  it("opens when the windows say so, even after a success", () => {
    const opened = call(closed, 1, verdict("Success", { unhealthy: true, kind: "slow" }))
    assert.deepInclude(opened, { state: "open", reason: "threshold", lastFailureKind: "slow" })
    const after = call(call(closed, 1, failure), 2, verdict("Success", { unhealthy: true }))
    assert.deepInclude(after, { state: "open", lastFailureKind: "server_error" })
  })

  it("does not count an ignored or throttled call", () => {
    const twice = call(call(closed, 1, failure), 2, failure)
    assert.strictEqual(call(twice, 3, verdict("Ignored")), twice)
    assert.deepInclude(call(twice, 3, verdict("Throttled", { hintMillis: 5 })), { state: "closed", failures: 2 })
  })
})

describe("open", () => {
  it("I6: admits at the deadline, not a millisecond earlier", () => {
    assert.deepStrictEqual(rejected(open, 1000), { by: "open", retryAfterMillis: 60_000 })
    assert.deepStrictEqual(rejected(open, 60_999), { by: "open", retryAfterMillis: 1 })
    assert.strictEqual(admitted(open, 61_000).permit.probe, 1)
  })

  it("I7, I21: half-open begins with the first admission and takes exactly one of fifty callers", () => {
    assert.strictEqual(rejected(open, 60_999).by, "open")
    let circuit = open
    const answers = Array.from({ length: 50 }, () => {
      const admission = Circuit.admit(circuit, rules, 61_000)
      circuit = admission.circuit
      return admission._tag
    })
    assert.deepStrictEqual(answers, ["Admitted", ...Array.from({ length: 49 }, () => "Rejected")])
    assert.deepInclude(circuit, { state: "half_open", reason: "cooldown_elapsed", generation: open.generation + 1 })
    assert.strictEqual(circuit.openUntil, 0)
  })

  it("I20: an open circuit without a deadline heals by admitting a probe", () => {
    assert.strictEqual(admitted({ ...open, openUntil: 0 }, 0).circuit.state, "half_open")
  })

  it("I15, I19: calls from before the opening change nothing, whatever they say", () => {
    const { permit } = admitted(closed, 500)
    for (const outcome of ["Success", "Failure", "Ignored", "Throttled", "OpenNow"] as const) {
      const late = verdict(outcome, { hintMillis: 900_000, unhealthy: true, failureThreshold: 1 })
      assert.strictEqual(Circuit.settle(open, rules, 2000, permit, late), open)
      assert.strictEqual(Circuit.settle(forcedOpen, rules, 2000, permit, late), forcedOpen)
    }
  })
})

describe("a circuit that no outcome can move", () => {
  it("I15: an open circuit takes none, not even of a permit of its own generation", () => {
    for (const circuit of [open, forcedOpen]) {
      const permit = { generation: circuit.generation, probe: 0 }
      assert.strictEqual(Circuit.settle(circuit, rules, 2000, permit, failure), circuit)
      assert.strictEqual(Circuit.settle(circuit, rules, 2000, permit, success), circuit)
    }
  })

  it("a half-open circuit takes only those of its probes", () => {
    const permit = { generation: halfOpen.generation, probe: 0 }
    assert.isFalse(Circuit.isCurrent(halfOpen, permit))
    assert.strictEqual(Circuit.settle(halfOpen, rules, 61_500, permit, success), halfOpen)
  })
})

describe("rejectsFor", () => {
  const gated = { gateUntil: 5000 }
  it.each([
    ["closed", closed, 0],
    ["closed, behind a gate", { ...closed, ...gated }, 3000],
    ["closed, behind a gate of the past", { ...closed, gateUntil: 1999 }, 0],
    ["open", open, 59_000],
    ["open, behind a later gate", { ...open, gateUntil: 70_000 }, 68_000],
    ["open, past its deadline", { ...open, openUntil: 1999 }, 0],
    ["held open", forcedOpen, 59_000],
    ["held open until a reset", Circuit.force(closed, 1000, Circuit.never), Circuit.never],
    ["half-open", halfOpen, 0],
    ["half-open, behind a gate", { ...halfOpen, ...gated }, 3000],
    ["disabled", { ...disabled, ...gated }, 0]
  ])("%s at 2,000", (_, circuit, millis) => {
    assert.strictEqual(Circuit.rejectsFor(circuit, 2000), millis)
  })
})

describe("half-open", () => {
  it("I8: a successful probe closes the circuit and forgets its past", () => {
    const recovered = Circuit.settle(halfOpen, rules, 61_500, probe, success)
    assert.deepInclude(recovered, { state: "closed", reason: "probe_succeeded", failures: 0, closedAt: 61_500 })
    assert.deepInclude(recovered, { outage: 0, outageAt: 0, lastFailureKind: "", probes: [], openUntil: 0 })
    assert.strictEqual(recovered.generation, halfOpen.generation + 1)
    assert.strictEqual(admitted(recovered, 61_500).permit.probe, 0)
  })

  it("I9: a failed probe opens the circuit at once, for a full period, whatever the threshold", () => {
    const reopened = Circuit.settle(halfOpen, rules, 62_000, probe, verdict("Failure", { failureThreshold: 5 }))
    assert.deepInclude(reopened, { state: "open", reason: "probe_failed", openUntil: 122_000, openings: 2 })
  })

  it("counts a slow success of a probe as failed", () => {
    const reopened = Circuit.settle(halfOpen, rules, 62_000, probe, verdict("Success", { slow: true, kind: "slow" }))
    assert.deepInclude(reopened, { state: "open", reason: "probe_failed", lastFailureKind: "slow" })
  })

  it("does not judge a probe by the windows", () => {
    const recovered = Circuit.settle(halfOpen, rules, 62_000, probe, verdict("Success", { unhealthy: true }))
    assert.strictEqual(recovered.state, "closed")
  })

  it("I10, I22, I24, I31: an ignored probe only frees its slot, and the next caller takes it", () => {
    const freed = Circuit.settle(halfOpen, rules, 62_000, probe, verdict("Ignored"))
    assert.deepStrictEqual(freed, { ...halfOpen, probes: [] })
    const next = admitted(freed, 62_000)
    assert.strictEqual(next.circuit.generation, halfOpen.generation)
    assert.notStrictEqual(next.permit.probe, probe.probe)
  })

  it.each(["Success", "Failure", "Ignored", "Throttled", "OpenNow"] as const)(
    "I24: the slot of a probe is free after %s",
    (outcome) => {
      const settled = Circuit.settle(halfOpen, rules, 62_000, probe, verdict(outcome))
      assert.deepStrictEqual(settled.probes, [])
    }
  )

  it("I28: a probe that a provider asks to wait frees its slot and the retry is admitted when the wait is over", () => {
    const waiting = Circuit.settle(halfOpen, rules, 62_000, probe, verdict("Throttled", { hintMillis: 500 }))
    assert.deepStrictEqual(rejected(waiting, 62_499), { by: "throttled", retryAfterMillis: 1 })
    const retry = admitted(waiting, 62_500)
    assert.strictEqual(Circuit.settle(retry.circuit, rules, 62_600, retry.permit, success).state, "closed")
  })

  it("I25: a probe whose circuit was forced open meanwhile does not touch the forced opening", () => {
    const held = Circuit.force(halfOpen, 62_000, 3_662_000)
    assert.deepStrictEqual(held.probes, [])
    for (const outcome of ["Success", "Failure", "Ignored"] as const) {
      assert.strictEqual(Circuit.settle(held, rules, 63_000, probe, verdict(outcome)), held)
    }
  })

  it("I26: a call admitted before the trip neither closes nor reopens a later half-open circuit", () => {
    const { permit } = admitted(closed, 500)
    assert.strictEqual(Circuit.settle(halfOpen, rules, 62_000, permit, success), halfOpen)
    assert.strictEqual(Circuit.settle(halfOpen, rules, 62_000, permit, failure), halfOpen)
  })

  it("I27: ownership ends with the verdict, so that settling twice cannot touch the next probe", () => {
    const reopened = Circuit.settle(halfOpen, rules, 62_000, probe, failure)
    const next = admitted(reopened, 122_000)
    assert.strictEqual(Circuit.settle(next.circuit, rules, 122_000, probe, verdict("Ignored")), next.circuit)
    const freed = Circuit.settle(halfOpen, rules, 62_000, probe, verdict("Ignored"))
    const second = admitted(freed, 62_000)
    assert.strictEqual(Circuit.settle(second.circuit, rules, 62_000, probe, failure), second.circuit)
  })

  it("I29: a lapsed lease gives the slot to another caller, and the late verdict is ignored", () => {
    assert.deepStrictEqual(rejected(halfOpen, 61_999), { by: "half_open", retryAfterMillis: undefined })
    const taken = admitted(halfOpen, 62_000)
    assert.deepStrictEqual(taken.circuit.probes, [{ id: 2, leaseUntil: 63_000 }])
    assert.strictEqual(Circuit.settle(taken.circuit, rules, 62_000, probe, success), taken.circuit)
    assert.strictEqual(Circuit.settle(taken.circuit, rules, 62_000, probe, failure), taken.circuit)
    assert.strictEqual(Circuit.settle(taken.circuit, rules, 62_000, taken.permit, success).state, "closed")
  })

  it("I29: a verdict after the lease still counts while nobody has taken the slot", () => {
    assert.strictEqual(Circuit.settle(halfOpen, rules, 99_000, probe, success).state, "closed")
  })

  it("runs as many probes at once as allowed, distinguished by their permits", () => {
    const three = { ...rules, probes: 3, successesToClose: 2 }
    const first = admitted(open, 61_000, three)
    const second = admitted(first.circuit, 61_000, three)
    const third = admitted(second.circuit, 61_000, three)
    assert.strictEqual(rejected(third.circuit, 61_000, three).by, "half_open")
    assert.deepStrictEqual([first, second, third].map(({ permit }) => permit.probe), [1, 2, 3])
    const freed = Circuit.settle(third.circuit, three, 61_000, second.permit, verdict("Ignored"))
    assert.deepStrictEqual(freed.probes.map(({ id }) => id), [1, 3])
  })

  it("closes after as many successes as asked for, and one failure before that opens", () => {
    const twice = { ...rules, successesToClose: 2 }
    const first = Circuit.settle(halfOpen, twice, 61_000, probe, success)
    assert.deepInclude(first, { state: "half_open", successes: 1, generation: halfOpen.generation })
    assert.strictEqual(call(first, 61_000, success, twice).state, "closed")
    const reopened = call(first, 61_000, failure, twice)
    assert.deepInclude(reopened, { state: "open", successes: 0 })
    assert.strictEqual(call(reopened, 121_000, success, twice).successes, 1)
  })
})

describe("ramp", () => {
  const ramping = { ...rules, rampMillis: 1000 }
  const start = Circuit.settle(halfOpen, ramping, 61_000, probe, success)
  /** Offers calls at these times after the close; tells which were admitted. */
  const offer = (times: ReadonlyArray<number>) => {
    let circuit = start
    return times.map((elapsed) => {
      const admission = Circuit.admit(circuit, ramping, 61_000 + elapsed)
      circuit = admission.circuit
      return admission._tag === "Admitted"
    })
  }
  it("admits the first call at once and rejects the second", () => {
    assert.deepStrictEqual(offer([0, 0, 0]), [true, false, false])
    assert.isFalse(Circuit.admitsAll(start))
  })

  it("W9: the share of calls let through grows with the time that has passed, within one call", () => {
    // A herd at the start, then a call every millisecond: none of them may be given what the herd was denied.
    const times = Array.from({ length: 1100 }, (_, index) => Math.max(1, index - 100))
    const answers = offer(times)
    let due = 0
    let passed = 0
    times.forEach((elapsed, index) => {
      due += elapsed / 1000
      if (answers[index]) passed++
      assert.isAtLeast(passed, due - 1e-9, `at ${elapsed} ms`)
      assert.isAtMost(passed, due + 1 + 1e-9, `at ${elapsed} ms`)
    })
  })

  it("admits everything from its end on, and nothing of it is left", () => {
    const busy = Circuit.admit(admitted(start, 61_000, ramping).circuit, ramping, 61_001).circuit
    assert.strictEqual(Circuit.admit(busy, ramping, 61_999)._tag, "Admitted")
    const { circuit } = admitted(busy, 62_000, ramping)
    assert.deepStrictEqual(circuit, Circuit.settle(halfOpen, rules, 61_000, probe, success))
    assert.isTrue(Circuit.admitsAll(circuit))
  })

  it.prop(
    "a call that comes back after the wait that it got is admitted, and not a millisecond earlier",
    { times: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 30 }))) },
    ({ times }) => {
      let circuit = start
      let now = 61_000
      for (const wait of times) {
        now += wait
        const admission = Circuit.admit(circuit, ramping, now)
        circuit = admission.circuit
        if (admission._tag === "Admitted") continue
        assert.strictEqual(admission.by, "half_open")
        const back = now + admission.retryAfterMillis!
        assert.isAbove(back, now)
        assert.strictEqual(Circuit.admit(circuit, ramping, back)._tag, "Admitted")
        if (back > now + 1) assert.strictEqual(Circuit.admit(circuit, ramping, back - 1)._tag, "Rejected")
      }
    },
    { arbitrary: { runs: 300 } }
  )

  it("ends when the circuit opens", () => {
    assert.deepInclude(call(start, 61_100, fatal, ramping), { state: "open", rampUntil: 0 })
  })
})

describe("gate", () => {
  const wait = (millis: number) => verdict("Throttled", { kind: "rate_limited", hintMillis: millis })
  const gated = call(closed, 1000, wait(5000))

  it("turns everybody away until its time, without touching health", () => {
    assert.deepStrictEqual(gated, { ...closed, gateUntil: 6000 })
    assert.isFalse(Circuit.admitsAll(gated))
    assert.deepStrictEqual(rejected(gated, 5999), { by: "throttled", retryAfterMillis: 1 })
    assert.deepStrictEqual(admitted(gated, 6000).circuit, closed)
  })

  it("only ever gets longer, and never longer than the longest wait", () => {
    const [first, second] = [admitted(closed, 1000), admitted(closed, 1000)]
    const long = Circuit.settle(closed, rules, 1000, first.permit, wait(5000))
    assert.strictEqual(Circuit.settle(long, rules, 2000, second.permit, wait(1000)).gateUntil, 6000)
    assert.strictEqual(Circuit.settle(long, rules, 2000, second.permit, wait(9000)).gateUntil, 11_000)
    assert.strictEqual(Circuit.settle(long, rules, 2000, second.permit, wait(1e12)).gateUntil, 3_602_000)
  })

  it("is not lifted by a success", () => {
    assert.strictEqual(Circuit.settle(gated, rules, 2000, { generation: 7, probe: 0 }, success).gateUntil, 6000)
  })

  it("holds an open circuit past its own deadline", () => {
    const both = Circuit.settle(gated, rules, 2000, { generation: 7, probe: 0 }, { ...fatal, openMillis: 1000 })
    assert.deepStrictEqual(rejected(both, 3000), { by: "open", retryAfterMillis: 3000 })
    assert.strictEqual(admitted(both, 6000).circuit.state, "half_open")
  })

  it("survives the probe that closes the circuit", () => {
    const two = { ...rules, probes: 2 }
    const second = admitted(halfOpen, 61_000, two)
    const both = Circuit.settle(second.circuit, two, 61_000, probe, wait(5000))
    const recovered = Circuit.settle(both, two, 61_000, second.permit, success)
    assert.deepStrictEqual(rejected(recovered, 61_000), { by: "throttled", retryAfterMillis: 5000 })
  })
})

describe("open now", () => {
  const openNow = (hintMillis: number) => verdict("OpenNow", { kind: "quota_exhausted", hintMillis })

  it("opens a closed circuit whatever the threshold", () => {
    const opened = call(closed, 1000, openNow(0))
    assert.deepInclude(opened, { state: "open", reason: "open_now", lastFailureKind: "quota_exhausted" })
  })

  it("opens a half-open circuit", () => {
    assert.deepInclude(Circuit.settle(halfOpen, rules, 62_000, probe, openNow(0)), { reason: "open_now", openings: 2 })
  })

  it.each([
    [10_000, 61_000, "is not shortened by a shorter wait"],
    [3_600_000, 3_601_000, "honours the wait the provider asked for"],
    [9_999_999_999, 3_601_000, "does not believe a wait beyond the longest"]
  ])("I13: a hint of %i ms opens until %i: it %s", (hintMillis, until) => {
    assert.strictEqual(call(closed, 1000, openNow(hintMillis)).openUntil, until)
  })
})

describe("hints", () => {
  const busy = (hintMillis: number) => verdict("Failure", { hintMillis })

  it("a wait asked for earlier in the streak lengthens the opening", () => {
    const opened = call(call(call(closed, 1, busy(300_000)), 2, busy(1000)), 3, failure)
    assert.deepInclude(opened, { state: "open", openUntil: 300_001, openMillis: 299_998 })
  })

  it("a success forgets the waits of the streak before", () => {
    const again = call(call(closed, 1, busy(300_000)), 2, success)
    assert.strictEqual(call(again, 3, fatal).openUntil, 60_003)
  })

  it("the hint of a failed probe lengthens its opening, within the longest wait", () => {
    assert.strictEqual(Circuit.settle(halfOpen, rules, 62_000, probe, busy(90_000)).openUntil, 152_000)
    assert.strictEqual(Circuit.settle(halfOpen, rules, 62_000, probe, busy(1e12)).openUntil, 3_662_000)
  })
})

describe("backoff", () => {
  it("numbers openings in a row", () => {
    assert.strictEqual(open.openings, 1)
    const second = Circuit.settle(halfOpen, rules, 61_000, probe, failure)
    assert.strictEqual(second.openings, 2)
    assert.strictEqual(call(second, 121_000, failure).openings, 3)
  })

  it("goes on after a short recovery and starts again after one as long as the last opening", () => {
    const recovered = Circuit.settle(halfOpen, rules, 61_000, probe, success)
    assert.strictEqual(Circuit.nextOpening(recovered, 120_999), 2)
    assert.strictEqual(call(recovered, 120_999, fatal).openings, 2)
    assert.strictEqual(Circuit.nextOpening(recovered, 121_000), 1)
    assert.strictEqual(call(recovered, 121_000, fatal).openings, 1)
  })

  it("W10: a hold does not bring back the openings of a time long past", () => {
    const recovered = call(call(call(open, 61_000, failure), 121_000, failure), 181_000, success)
    const held = Circuit.force(recovered, 9_000_000, 9_001_000)
    assert.strictEqual(call(held, 9_001_000, failure).openings, 1)
  })

  it("W10: a hold does not count the openings that did not happen while disabled", () => {
    const watched = [1, 2, 3].reduce((circuit, now) => call(circuit, now, fatal), disabled)
    assert.strictEqual(call(Circuit.force(watched, 4, 5), 5, failure).openings, 1)
  })
})

describe("control", () => {
  it("a hold keeps count of the openings before it, and of none that only would have been", () => {
    assert.deepInclude(Circuit.force(open, 2000, 61_000), { state: "forced_open", openings: 1 })
    assert.deepInclude(Circuit.force({ ...disabled, openings: 4 }, 2000, 61_000), { openings: 0 })
  })

  it.each(states)("I14: forcing open a circuit that is %s starts a hold that drops its probes", (state, circuit) => {
    const held = Circuit.force(circuit, 62_000, 500_000)
    assert.deepInclude(held, { state: "forced_open", reason: "forced", openUntil: 500_000, probes: [], gateUntil: 0 })
    assert.strictEqual(held.generation, circuit.generation + (state === "forced_open" ? 0 : 1))
    assert.deepStrictEqual(rejected(held, 499_999), { by: "forced_open", retryAfterMillis: 1 })
    assert.deepInclude(admitted(held, 500_000).circuit, { state: "half_open", reason: "cooldown_elapsed" })
  })

  it("I12: no hold shortens a deadline that stands", () => {
    assert.strictEqual(Circuit.force(open, 2000, 7000).openUntil, 61_000)
    assert.strictEqual(Circuit.force(forcedOpen, 2000, 7000).openUntil, 61_000)
    assert.strictEqual(Circuit.force(forcedOpen, 2000, 70_000).openUntil, 70_000)
  })

  it("I18: a closed circuit remembers no deadline that could lengthen a later hold", () => {
    const held = Circuit.force(closed, 0, 3_600_000)
    assert.strictEqual(Circuit.force(Circuit.reset(held), 1000, 6000).openUntil, 6000)
    assert.strictEqual(Circuit.force(call(held, 3_600_000, success), 3_600_000, 3_605_000).openUntil, 3_605_000)
  })

  it("a hold without an end lasts until a reset", () => {
    const held = Circuit.force(open, 2000, Circuit.never)
    assert.deepStrictEqual(rejected(held, 1e15), { by: "forced_open", retryAfterMillis: undefined })
    assert.strictEqual(Circuit.force(held, 3000, 4000).openUntil, Circuit.never)
    assert.strictEqual(Circuit.reset(held).state, "closed")
  })

  it.each(states)("I16: resetting a circuit that is %s closes it without a past", (_, circuit) => {
    const reset = Circuit.reset(circuit)
    assert.deepStrictEqual(reset, { ...Circuit.initial(circuit.generation + 1), reason: "reset" })
  })

  it.each(states)(
    "I26: calls on their way through a circuit that was %s no longer count after a reset",
    (_, circuit) => {
      const reset = Circuit.reset(circuit)
      const old = { generation: circuit.generation, probe: circuit.probes[0]?.id ?? 0 }
      assert.strictEqual(Circuit.settle(reset, rules, 62_000, old, fatal), reset)
    }
  )

  it.each(states)("I2: disabling a circuit that is %s admits everything and opens never", (state, circuit) => {
    const bypass = Circuit.disable(circuit)
    if (state === "disabled") assert.strictEqual(bypass, circuit)
    else {
      assert.deepStrictEqual(bypass, {
        ...Circuit.initial(circuit.generation + 1),
        state: "disabled",
        reason: "disabled"
      })
    }
    assert.isTrue(Circuit.admitsAll(bypass))
    const outcomes = [fatal, verdict("OpenNow"), verdict("Success", { unhealthy: true })]
    const watched = outcomes.reduce((circuit, said) => call(circuit, 62_000, said), bypass)
    assert.deepInclude(watched, { state: "disabled", generation: bypass.generation, openings: 3, openUntil: 0 })
  })

  it("counts openings that did not happen like those that would have", () => {
    const thrice = [1, 2, 3, 4, 5, 6, 7].reduce((circuit, now) => call(circuit, now, failure), disabled)
    assert.deepInclude(thrice, { openings: 2, failures: 1 })
    const kept = call(call(thrice, 8, verdict("Ignored")), 8, verdict("Throttled", { hintMillis: 1000 }))
    assert.strictEqual(kept, thrice)
  })

  it.each(states)("enabling a circuit that is %s ends nothing but a bypass", (state, circuit) => {
    const enabled = Circuit.enable(circuit)
    if (state !== "disabled") assert.strictEqual(enabled, circuit)
    else assert.deepStrictEqual(enabled, { ...Circuit.initial(circuit.generation + 1), reason: "enabled" })
  })
})

describe("outage", () => {
  it("keeps its id and beginning from the first opening to the close, through holds and failed probes", () => {
    const reopened = Circuit.settle(halfOpen, rules, 62_000, probe, failure)
    const held = Circuit.force(reopened, 63_000, 200_000)
    for (const circuit of [open, halfOpen, reopened, held, admitted(held, 200_000).circuit]) {
      assert.deepInclude(circuit, { outage: open.generation, outageAt: 1000 })
    }
    assert.deepInclude(held, { openedAt: 63_000 })
  })

  it("gets a new id after a close", () => {
    const second = call(call(open, 61_000, success), 70_000, fatal)
    assert.deepInclude(second, { outage: second.generation, outageAt: 70_000 })
    assert.isAbove(second.outage, open.outage)
  })
})

describe("claims", () => {
  const key = "model"
  const policy = { tripPolicy: TripPolicy.consecutive(1), openDuration: "1 minute" } as const

  it.effect("I30: an acquired probe whose holder goes away without a verdict frees its slot", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key })))
      yield* CircuitTest.adjustToProbe(key)
      const { probe } = yield* Scope.provide(CircuitBreaker.acquire(key), scope)
      assert.isTrue(probe)
      const busy = yield* Effect.flip(Effect.void.pipe(CircuitBreaker.execute({ key })))
      assert.strictEqual(busy.reason._tag, "CircuitHalfOpen")
      yield* Scope.close(scope, Exit.void)
      yield* Effect.void.pipe(CircuitBreaker.execute({ key }))
      assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Closed")
    }).pipe(Effect.provide(CircuitTest.layer(policy))))

  const openHandle = Effect.gen(function*() {
    const store = yield* CircuitStore.CircuitStore
    const clock = yield* Clock.Clock
    const handle = store.circuit(key, compilePolicy(policy, yield* Effect.context<never>()), clock, 0)
    handle.settle(clock, handle.pass!, Outcome.failure("server_error"), 0, false)
    return { clock, handle }
  }).pipe(Effect.provide(CircuitStore.layerMemory))

  it.effect("I89: of fifty callers that have to claim exactly one gets the slot", () =>
    Effect.gen(function*() {
      const { clock, handle } = yield* openHandle
      yield* TestClock.adjust("1 minute")
      const answers = Array.from({ length: 50 }, () => handle.admit(clock, 60_000))
      assert.deepStrictEqual(answers, Array.from({ length: 50 }, () => "claim"))
      const claims = yield* Effect.forEach(answers, () => handle.claim, { concurrency: "unbounded" })
      assert.strictEqual(claims.filter((claim) => !("_tag" in claim)).length, 1)
    }))

  it.effect("I89: a hold between the admission and the claim wins", () =>
    Effect.gen(function*() {
      const { clock, handle } = yield* openHandle
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(handle.admit(clock, 60_000), "claim")
      yield* handle.forceOpen(5000, {})
      const claim = yield* handle.claim
      assert("_tag" in claim)
      assert.strictEqual(claim._tag, "CircuitForcedOpen")
      assert.strictEqual((yield* handle.state)._tag, "ForcedOpen")
    }))

  it.effect("I89: before the deadline there is nothing to claim", () =>
    Effect.gen(function*() {
      const { handle } = yield* openHandle
      yield* TestClock.adjust("59999 millis")
      const claim = yield* handle.claim
      assert("_tag" in claim)
      assert.strictEqual(claim._tag, "CircuitOpen")
    }))
})
