import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Duration, Exit, Schedule } from "effect"
import { CircuitError, type CircuitPolicy, Outcome, TripPolicy } from "effect-resilience"
import { compilePolicy } from "../../src/internal/options/compiledPolicy.ts"

const compile = (policy: CircuitPolicy.CircuitPolicy = {}) => compilePolicy(policy, Context.empty())
const tripping = (...policies: ReadonlyArray<TripPolicy.TripPolicy>) =>
  compile({ tripPolicy: TripPolicy.anyOf(...policies) })

const failing = (threshold: number) => TripPolicy.failureRate({ threshold, window: 10 })
const slow = (threshold: number) => TripPolicy.slowCallRate({ threshold, slowerThan: "5 seconds", window: 10 })

describe("what a policy asks of its calls", () => {
  it("is timed if a criterion asks how long a call took", () => {
    assert.isFalse(compile().timed)
    assert.isFalse(tripping(failing(0.5), TripPolicy.adaptive()).timed)
    assert.isTrue(tripping(failing(0.5), slow(0.5)).timed)
  })

  it("shows the lowest share of failures that opens the circuit, and none where no failures are shared", () => {
    assert.strictEqual(tripping(failing(0.5), failing(0.25), failing(0.75)).failureRateThresholdPpm, 250_000)
    assert.strictEqual(tripping(slow(0.1), failing(0.5)).failureRateThresholdPpm, 500_000)
    assert.isUndefined(tripping(slow(0.1), TripPolicy.consecutive(2)).failureRateThresholdPpm)
    assert.isUndefined(compile().failureRateThresholdPpm)
  })
})

describe("fingerprint", () => {
  const different: ReadonlyArray<CircuitPolicy.CircuitPolicy> = [
    {},
    { probes: 2 },
    { successesToClose: 2 },
    { probeLease: "1 minute" },
    { ramp: "1 minute" },
    { maxOpenDuration: "1 minute" },
    { openDuration: "2 minutes" },
    { openDuration: Schedule.spaced("1 minute") },
    { tripPolicy: TripPolicy.consecutive(4) },
    { tripPolicy: failing(0.5) },
    { tripPolicy: slow(0.5) },
    { tripPolicy: TripPolicy.adaptive() }
  ]

  it("tells apart policies that make circuits behave differently", () => {
    const fingerprints = different.map((policy) => compile(policy).fingerprint)
    assert.strictEqual(new Set(fingerprints).size, different.length)
  })

  it("is the same for the same policy, however it is written down", () => {
    assert.strictEqual(
      compile({ openDuration: "60 seconds", probes: 1, tripPolicy: TripPolicy.consecutive(3) }).fingerprint,
      compile({ openDuration: Duration.minutes(1) }).fingerprint
    )
  })
})

describe("the judgement of who brings none", () => {
  const classify: CircuitPolicy.Classify = (exit) => compile().classify(exit)

  it("counts every error and every defect, of no known kind", () => {
    for (const exit of [Exit.fail("503"), Exit.die(new Error("bug")), Exit.failCause(Cause.empty)]) {
      assert.deepStrictEqual(classify(exit), Outcome.failure("unknown"))
    }
    assert.deepStrictEqual(classify(Exit.succeed(503)), Outcome.success)
  })

  it("does not count the rejection of another circuit, which is no word of the dependency", () => {
    const rejection = CircuitError.make({ _tag: "CircuitHalfOpen", key: "another" })
    assert.deepStrictEqual(classify(Exit.fail(rejection)), Outcome.ignored("caller_error"))
    const cut = CircuitError.make({ _tag: "StreamCut", key: "another" })
    assert.deepStrictEqual(classify(Exit.fail(cut)), Outcome.failure("unknown"))
  })
})
