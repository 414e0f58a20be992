/** An hour with eight models, one provider in trouble, and operators who act. In virtual time, the same every time. */
import { Effect, type Exit } from "effect"
import { TestClock } from "effect/testing"
import * as CircuitBreaker from "../../src/CircuitBreaker.ts"
import * as Outcome from "../../src/Outcome.ts"

const minute = 60

/** Failures of one kind: a share of the calls between two seconds of the hour. */
interface Trouble {
  readonly from: number
  readonly to: number
  readonly share: number
  readonly kind: Outcome.Kind
  readonly millis?: number
}

const model = (key: string, callsPerStep: number, millis: number, ...troubles: ReadonlyArray<Trouble>) => ({
  key,
  callsPerStep,
  millis,
  troubles
})

const end = 55 * minute + 20

const models = [
  model("openai/gpt-5/eu", 4, 820, { from: 47 * minute, to: 61 * minute, share: 1, kind: "overloaded" }),
  model(
    "openai/gpt-5/us",
    5,
    760,
    { from: 12 * minute, to: 16 * minute, share: 1, kind: "server_error" },
    { from: 50 * minute, to: 54 * minute, share: 0.98, kind: "overloaded" },
    { from: 54 * minute, to: 61 * minute, share: 0.9, kind: "timeout" }
  ),
  model("openai/text-embedding-3-large", 2, 140, { from: 53 * minute, to: 61 * minute, share: 0.5, kind: "timeout" }),
  model("anthropic/claude-sonnet/eu", 6, 1_040, { from: 54 * minute, to: 61 * minute, share: 0.12, kind: "timeout" }),
  model("anthropic/claude-haiku/eu", 3, 410),
  model(
    "google/gemini-pro/global",
    3,
    930,
    { from: 52 * minute, to: 54 * minute, share: 1, kind: "rate_limited" },
    { from: 54 * minute, to: 61 * minute, share: 0, kind: "timeout", millis: 60_000 }
  ),
  model("mistral/large/eu", 2, 640),
  model("internal/reranker", 2, 60)
]

const failure = (kind: Outcome.Kind): Effect.Effect<never, Outcome.Kind> => Effect.fail(kind)

const classify = (exit: Exit.Exit<unknown, unknown>): Outcome.Outcome => {
  const reason = exit._tag === "Failure" ? exit.cause.reasons[0] : undefined
  return reason?._tag === "Fail" ? Outcome.failure(reason.error as Outcome.Kind) : Outcome.ignored("caller_error")
}

const operator = { actor: "on call" }

const decisions: ReadonlyArray<
  readonly [second: number, decision: Effect.Effect<void, never, CircuitBreaker.CircuitBreaker>]
> = [
  [
    51 * minute,
    CircuitBreaker.forceOpen("mistral/large/eu", {
      ...operator,
      for: "30 minutes",
      reason: "answers in the wrong language since their release"
    })
  ],
  [44 * minute, CircuitBreaker.disable("internal/reranker", { ...operator, reason: "load test until 16:00" })]
]

// The same numbers every time.
const random = (() => {
  let seed = 7
  return () => (seed = seed * 48_271 % 2_147_483_647) / 2_147_483_647
})()

const call = (second: number, { key, millis, troubles }: typeof models[number]) => {
  const trouble = troubles.find(({ from, to }) => second >= from && second < to)
  const isLost = trouble !== undefined && random() < trouble.share
  return CircuitBreaker.execute(
    Effect.andThen(
      Effect.sleep(Math.round((trouble?.millis ?? millis) * (0.7 + 0.7 * random()))),
      isLost ? failure(trouble.kind) : Effect.void
    ),
    { key }
  )
}

const stepSeconds = 2

const play = Effect.gen(function*() {
  for (let second = 0; second < end; second += stepSeconds) {
    for (const [at, decision] of decisions) if (at === second) yield* decision
    for (const each of models) {
      const calls = Math.round(each.callsPerStep * (0.6 + 0.8 * random()))
      for (let n = 0; n < calls; n++) yield* Effect.forkChild(Effect.ignore(call(second, each)))
    }
    yield* TestClock.adjust(`${stepSeconds} seconds`)
  }
})

export const incident = { classify, play }
