import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import { Outcome } from "effect-resilience"

describe("Outcome", () => {
  it.each<[string, Outcome.Outcome, Outcome.Kind | undefined]>([
    ["a success has none", Outcome.success, undefined],
    ["a failure", Outcome.failure("overloaded"), "overloaded"],
    ["an ignored call", Outcome.ignored("auth"), "auth"],
    ["a throttled call is limited in its rate, unless it says otherwise", Outcome.throttled(5), "rate_limited"],
    ["a throttled call", Outcome.throttled(5, "overloaded"), "overloaded"],
    ["an opening at once", Outcome.openNow("quota_exhausted"), "quota_exhausted"]
  ])("the kind of %s", (_, outcome, kind) => {
    assert.strictEqual(Outcome.kindOf(outcome), kind)
  })

  it("carries a wait in any form that a duration has, and none if none was asked for", () => {
    const waits = [
      Outcome.failure("timeout", "2 seconds"),
      Outcome.failure("timeout"),
      Outcome.openNow("timeout", 2000),
      Outcome.openNow("timeout"),
      Outcome.throttled({ seconds: 2 })
    ].map((outcome) => "retryAfter" in outcome ? outcome.retryAfter : "no field")
    const wait = Duration.seconds(2)
    assert.deepStrictEqual(waits, [wait, undefined, wait, undefined, wait])
  })
})
