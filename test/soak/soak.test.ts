import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { CircuitError } from "effect-resilience"
import { Agreement } from "./Agreement.ts"
import { Attempt, compare } from "./Attempt.ts"
import { Dice } from "./Dice.ts"
import { trend } from "./flatness.ts"
import { equal, heapLimits } from "./Measurements.ts"
import { type Transition, transitionOf } from "./Transition.ts"
import { Witness } from "./Witness.ts"

const series = (value: (sample: number) => number) => Array.from({ length: 24 }, (_, sample) => value(sample))
const noise = (sample: number) => [0.6, -0.4, 0.1, -0.7, 0.3][sample % 5]!

describe("flatness", () => {
  it("is denied to a heap that leaks a little under every sample", () => {
    const leaking = series((sample) => 40 + noise(sample) + sample * 0.4)
    assert.strictEqual(trend(leaking, heapLimits).verdict, "grows")
  })

  it("is denied to a large heap that grows by less than its share", () => {
    assert.strictEqual(trend(series((sample) => 400 + sample * 0.6), heapLimits).verdict, "grows")
  })

  it("is granted to noise, and to a heap that fills up while it warms up", () => {
    assert.strictEqual(trend(series((sample) => 40 + noise(sample)), heapLimits).verdict, "flat")
    const warming = series((sample) => Math.min(40, 20 + sample * 3.5) + noise(sample))
    assert.strictEqual(trend(warming, heapLimits).verdict, "flat")
  })

  it("of handles allows one sample to be off, and not one handle to stay", () => {
    assert.strictEqual(trend(series((sample) => sample === 22 ? 19 : 15), equal).verdict, "flat")
    assert.strictEqual(trend(series((sample) => sample > 14 ? 16 : 15), equal).verdict, "grows")
  })

  it("of a run that was too short is unknown", () => {
    assert.strictEqual(trend([1, 2, 3, 4, 5, 6], equal).verdict, "too short")
  })
})

const key = "model"
const step = (rest: Partial<Transition>): Transition => ({
  key,
  generation: 2_000_000_000_001,
  from: "closed",
  to: "open",
  reason: "threshold",
  at: 1000,
  openUntil: rest.to === undefined ? 1080 : 0,
  ...rest
})
const opened = step({})
const probing = step({
  generation: 2_000_000_000_002,
  from: "open",
  to: "half_open",
  reason: "cooldown_elapsed",
  at: 1080
})
const closed = step({
  generation: 2_000_000_000_003,
  from: "half_open",
  to: "closed",
  reason: "probe_succeeded",
  at: 1090
})

/** What a witness of one process finds, by rule. */
const found = (transitions: ReadonlyArray<Transition>, shared = false) => {
  const witness = new Witness(shared)
  return transitions.flatMap((transition) => witness.hear(transition).map(({ rule }) => rule))
}

describe("a witness", () => {
  it("finds nothing in the life of a circuit", () => {
    assert.deepStrictEqual(found([opened, probing, closed]), [])
    const again = { ...opened, generation: closed.generation + 1, at: 1200 }
    assert.deepStrictEqual(found([opened, probing, closed, again]), [])
  })

  it("finds an edge that is not legal", () => {
    const fromOpen = { ...closed, from: "open" as const }
    assert.deepStrictEqual(found([opened, fromOpen]), ["only legal edges"])
    assert.deepStrictEqual(found([{ ...opened, to: "closed" }]), ["only legal edges"])
  })

  it("finds a transition that was announced twice, and a generation that falls", () => {
    assert.include(found([opened, opened]), "each transition once")
    assert.deepStrictEqual(found([opened, { ...probing, generation: 1_999_999_999_999 }]), ["generations increase"])
  })

  it("finds a step from where the circuit was not", () => {
    const elsewhere = step({ generation: probing.generation, from: "disabled", to: "closed", reason: "enabled" })
    assert.deepStrictEqual(found([opened, elsewhere]), ["one history"])
  })

  it("finds a probe before the deadline, also before that of an earlier opening", () => {
    assert.deepStrictEqual(found([opened, { ...probing, at: 1040 }]), ["openings are not shortened"])
    const held = step({
      from: "open",
      to: "forced_open",
      reason: "forced",
      generation: opened.generation + 1,
      at: 1010
    })
    const early = { ...probing, from: "forced_open" as const, generation: opened.generation + 2, at: 1030 }
    assert.deepStrictEqual(found([opened, { ...held, openUntil: 1020 }, early]), ["openings are not shortened"])
  })

  it("lets a circuit that was forgotten start closed", () => {
    const witness = new Witness(false)
    witness.hear(opened)
    witness.forgotten(key)
    assert.deepStrictEqual(witness.hear({ ...opened, generation: opened.generation + 5, at: 9000 }), [])
  })

  it("excuses what a process of a fleet may have missed, but not a generation that was announced twice", () => {
    const witness = new Witness(true)
    witness.hear(opened)
    const skipped = witness.hear({ ...closed, from: "open" })
    assert.deepStrictEqual(skipped.map(({ excusable, gap }) => [excusable, gap]), [
      [true, [opened.generation, closed.generation]]
    ])
    assert.deepStrictEqual(
      witness.hear({ ...closed, from: "closed" }).filter(({ excusable }) => !excusable).map(({ rule }) => rule),
      ["each transition once"]
    )
  })
})

describe("a fleet", () => {
  it("agrees on what a generation is, and knows what one of them did not see", () => {
    const agreement = new Agreement()
    agreement.hear(opened)
    assert.deepStrictEqual(agreement.hear(opened), [])
    const other = step({ reason: "open_now" })
    assert.deepStrictEqual(agreement.hear(other).map(({ rule }) => rule), ["the fleet agrees"])
    assert.isFalse(agreement.isBetween(key, opened.generation, closed.generation))
    agreement.hear(probing)
    assert.isTrue(agreement.isBetween(key, opened.generation, closed.generation))
  })
})

describe("a transition", () => {
  it("is read from the event that tells of it, and from no other", () => {
    const common = { key, at: 1000, generation: 7 }
    const held = {
      event: "circuit.forced",
      ...common,
      from: "open",
      to: "forced_open",
      reason: "forced",
      outage_id: "7"
    } as const
    assert.deepStrictEqual(transitionOf(held), {
      ...common,
      from: "open",
      to: "forced_open",
      reason: "forced",
      openUntil: Infinity
    })
    assert.strictEqual(transitionOf({ ...held, open_for_ms: 50 })?.openUntil, 1050)
    assert.isUndefined(transitionOf({ event: "store.policy_mismatch", key, at: 1000 }))
  })
})

describe("what a caller got", () => {
  const after = (exit: Exit.Exit<unknown, unknown>) => {
    const attempt = new Attempt()
    attempt.end(attempt.begin(), exit)
    return attempt
  }
  const value = {}
  const rejection = Exit.fail(CircuitError.make({ _tag: "CircuitHalfOpen", key, retryAfter: undefined }))
  const cutOff = Exit.fail(CircuitError.make({ _tag: "StreamCut", key }))

  it("is right if it is what the dependency gave, or a rejection without a call", () => {
    for (const exit of [Exit.succeed(value), Exit.fail(value), Exit.die(value), Exit.interrupt(1)]) {
      assert.isUndefined(compare(after(exit), exit).wrong)
    }
    assert.isUndefined(compare(new Attempt(), rejection).wrong)
    assert.isUndefined(compare(after(Exit.interrupt(1)), cutOff, { limits: ["StreamCut"] }).wrong)
  })

  it("is wrong if it is another value, error or defect, however equal", () => {
    for (const end of [Exit.succeed, Exit.fail, Exit.die]) {
      assert.isDefined(compare(after(end({})), end({})).wrong)
    }
    assert.isDefined(compare(after(Exit.succeed(value)), Exit.fail(value)).wrong)
    assert.isDefined(compare(after(Exit.succeed(value)), Exit.interrupt(1)).wrong)
    assert.isDefined(compare(new Attempt(), Exit.succeed(value)).wrong)
  })

  it("is wrong if a rejected call has run, one ran twice, or still runs", () => {
    assert.isDefined(compare(after(Exit.succeed(value)), rejection).wrong)
    assert.isDefined(compare(after(Exit.interrupt(1)), cutOff).wrong)
    const twice = after(Exit.succeed(value))
    twice.end(twice.begin(), Exit.succeed(value))
    assert.isDefined(compare(twice, Exit.succeed(value)).wrong)
    const running = new Attempt()
    running.begin()
    assert.isDefined(compare(running, Exit.interrupt(1), { left: true }).wrong)
  })
})

describe("dice", () => {
  it("fall alike for the same seed, and otherwise for another", () => {
    const throws = (dice: Dice) => Array.from({ length: 20 }, () => dice.between(1, 6))
    assert.deepStrictEqual(throws(new Dice("7").named("a")), throws(new Dice("7").named("a")))
    assert.notDeepEqual(throws(new Dice("7").named("a")), throws(new Dice("7").named("b")))
    const weighted = Array.from(
      { length: 1000 },
      ((dice) => () => dice.weighted({ often: 9, seldom: 1 }))(new Dice("1"))
    )
    assert.approximately(weighted.filter((name) => name === "seldom").length, 100, 50)
  })
})
