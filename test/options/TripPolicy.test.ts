import { assert, describe, it } from "@effect/vitest"
import { Context } from "effect"
import { TripPolicy } from "effect-resilience"
import { compilePolicy } from "../../src/internal/options/compiledPolicy.ts"

describe("TripPolicy", () => {
  const all = {
    Consecutive: TripPolicy.consecutive(3),
    FailureCount: TripPolicy.failureCount({ failures: 5, window: "30 seconds" }),
    FailureRate: TripPolicy.failureRate({ threshold: 0.5, window: "1 minute" }),
    SlowCallRate: TripPolicy.slowCallRate({ threshold: 0.5, slowerThan: "5 seconds", window: 20 }),
    Adaptive: TripPolicy.adaptive(),
    AnyOf: TripPolicy.anyOf(TripPolicy.consecutive(3), TripPolicy.adaptive())
  }

  it("is distinguished by its tag", () => {
    for (const [tag, policy] of Object.entries(all)) assert.strictEqual(policy._tag, tag)
  })

  it.each(Object.entries(all))("%s can be kept as JSON, and made a policy again that does the same", (tag, policy) => {
    const again = TripPolicy.fromData(JSON.parse(JSON.stringify(policy)))
    assert.strictEqual(again._tag, tag)
    const fingerprint = (tripPolicy: TripPolicy.TripPolicy) =>
      compilePolicy({ tripPolicy }, Context.empty()).fingerprint
    assert.strictEqual(fingerprint(again), fingerprint(policy))
  })

  it.each([
    ["{ \"_tag\": \"consecutive\", \"failures\": 3 }", "\"consecutive\""],
    ["{ \"_tag\": \"AnyOf\", \"policies\": 3 }", "\"AnyOf\""],
    ["{}", "an object"],
    ["5", "5"],
    ["null", "an object"],
    ["[{ \"_tag\": \"Consecutive\", \"failures\": 3 }]", "a list"]
  ])("data of no policy, %s, is no default: its layer refuses it", (text, form) => {
    assert.throws(
      () => compilePolicy({ tripPolicy: TripPolicy.fromData(JSON.parse(text)) }, Context.empty()),
      `tripPolicy must be a policy made by TripPolicy, but is ${form}`
    )
  })

  it("wants ten calls before it trusts a share, or as many as its window holds", () => {
    const minimumCalls = (window: TripPolicy.Window) => {
      const policy = TripPolicy.failureRate({ threshold: 0.5, window })
      return policy._tag === "FailureRate" ? policy.minimumCalls : undefined
    }
    assert.deepStrictEqual([9, 10, 11, "1 second"].map((window) => minimumCalls(window as TripPolicy.Window)), [
      9,
      10,
      10,
      10
    ])
  })
})
