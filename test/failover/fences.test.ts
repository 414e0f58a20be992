// No call, however it is walked, repeated or let through at last, leaves its fence; nor does what its failures say.
import { assert, it } from "@effect/vitest"
import { Arbitrary, Effect, Exit, Fiber, Schema, Stream } from "effect"
import { Evidence, FailoverRoute, FailoverRouter, Outcome } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { classifyPart } from "../support/streams.ts"
import { answers, classify, fails, router } from "./targets.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const names = ["a", "b", "c", "d", "e"]
const Region = Schema.Literals(["us", "eu", "none"])
const End = Schema.Literals(["serves", "times out", "server error", "overloaded", "throttled", "quota", "auth", "long"])
const ends: Record<typeof End.Type, (name: string) => Effect.Effect<unknown, unknown>> = {
  serves: Effect.succeed,
  "times out": () => fails(Outcome.failure("timeout")),
  "server error": () => answers(Outcome.failure("server_error")),
  overloaded: () => fails(Outcome.failure("overloaded")),
  throttled: () => fails(Outcome.throttled("3 seconds")),
  quota: () => fails(Outcome.openNow("quota_exhausted", "20 seconds")),
  auth: () => fails(Outcome.ignored("auth")),
  long: () => fails(Outcome.ignored("context_length"))
}
const Call = Schema.Struct({
  ends: Schema.Tuple([End, End, End, End, End]),
  fence: Schema.Literals(["eu", "us", "a and b", "none"]),
  request: int(0, 3),
  isStream: Schema.Boolean,
  waitMillis: int(0, 20_000)
})
const Scenario = Schema.Struct({
  regions: Schema.Tuple([Region, Region, Region, Region, Region]),
  tiers: Schema.Tuple([int(1, 3), int(1, 3), int(1, 3), int(1, 3), int(1, 3)]),
  routeFence: Schema.Literals(["none", "none", "eu"]),
  whenExhausted: Schema.Literals(["last_resort", "last_resort", "fail"]),
  calls: Schema.Array(Call).check(Schema.isMaxLength(12))
})
const fences: Record<string, FailoverRoute.Fence> = {
  eu: { regions: ["eu"] },
  us: { regions: ["us"] },
  "a and b": { targets: ["a", "b"] },
  none: {}
}

it.effect.prop(
  "neither a walk, nor a last resort, nor evidence ever crosses a fence",
  { scenario: Arbitrary.schema(Scenario) },
  ({ scenario: { calls, regions, routeFence, tiers, whenExhausted } }) => {
    const inside = (fence: string, name: string) => {
      const region = regions[names.indexOf(name)]
      return fence === "none" || (fence === "a and b" ? name === "a" || name === "b" : region === fence)
    }
    const allowed = names.filter((name) => inside(routeFence, name))
    if (allowed.length === 0) return Effect.void
    const route = FailoverRoute.make("chat", {
      targets: names.map((name, index) => ({
        name,
        tier: tiers[index]!,
        contextTokens: index + 1,
        ...(regions[index] === "none" ? {} : { region: regions[index]! })
      })),
      whenExhausted,
      allow: fences[routeFence]!
    })
    return Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      for (const call of calls) {
        const asked: Array<string> = []
        const ask = ({ name }: { readonly name: string }) =>
          Effect.suspend(() => {
            asked.push(name)
            return ends[call.ends[names.indexOf(name)]!](name)
          })
        const options = { allow: fences[call.fence], evidence: Evidence.make({ request: String(call.request) }) }
        const before = (yield* recorded.all).length
        const fiber = yield* Effect.forkChild(Effect.exit(
          call.isStream
            ? FailoverRouter.stream(
              "chat",
              (target) => Stream.concat(Stream.drain(Stream.fromEffect(ask(target))), Stream.make("text", "finish")),
              { classifyPart, ...options }
            ).pipe(Stream.runDrain)
            : FailoverRouter.execute("chat", ask, options)
        ))
        yield* TestClock.adjust("1 minute")
        assert(Exit.isSuccess(yield* Fiber.await(fiber)))
        const isInside = (name: string) => allowed.includes(name) && inside(call.fence, name)
        assert.deepStrictEqual(asked.filter((name) => !isInside(name)), [], "asked")
        const keys = (yield* recorded.all).slice(before).flatMap((event) => "key" in event ? [event.key.slice(-1)] : [])
        assert.deepStrictEqual(keys.filter((name) => !isInside(name)), [], "heard of it")
        yield* TestClock.adjust(call.waitMillis)
      }
    }).pipe(Effect.provide(router({ routes: [route], classify }, { openDuration: "90 seconds" })))
  },
  { timeout: 60_000, arbitrary: { runs: 200, size: 20 } }
)
