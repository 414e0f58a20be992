// The incident: what the us region goes through while everybody goes on calling.
import { Effect, Random } from "effect"
import { FailoverRouter, LlmRetry } from "effect-resilience"
import { complete, type Endpoint } from "./calls.ts"
import * as Provider from "./provider.ts"
import { ask, over } from "./resilience.ts"
import type { Script } from "./script.ts"
import { Story } from "./story.ts"
import { failures, type Phase } from "./tally.ts"

interface Scene extends Phase {
  readonly us: Provider.Behaviour
}

const scenes: ReadonlyArray<Scene> = [
  { name: "healthy", seconds: 3, us: "healthy", about: "both regions answer" },
  { name: "overloaded", seconds: 6, us: "overloaded", about: "us answers 503 and 529" },
  { name: "throttled", seconds: 5, us: "throttled", about: "us answers ten calls, then 429 with Retry-After: 1" },
  { name: "dead connection", seconds: 5, us: "dead", about: "the server of us is gone" },
  { name: "recovery", seconds: 4, us: "healthy", about: "the server of us is back" }
]

const us = Provider.make("us")
const eu = Provider.make("eu")

const play = Effect.gen(function*() {
  yield* us.start
  yield* eu.start
  const callers = Array.from({ length: 6 }, () => caller(ask(prompt)))
  yield* Effect.raceFirst(
    direct,
    Effect.all([...callers, caller(askUnrouted(us))], { concurrency: "unbounded", discard: true })
  )
})

const prompt = "Say hello."

const direct = Effect.gen(function*() {
  const story = yield* Story
  for (const scene of scenes) {
    yield* story.begin(scene)
    yield* us.become(scene.us)
    yield* Effect.sleep(`${scene.seconds} seconds`)
  }
})

// A user who does not give up: call, think, call again.
const caller = <E, R>(call: Effect.Effect<unknown, E, R>) =>
  Effect.ignore(call).pipe(
    Effect.andThen(Effect.flatMap(Random.nextBetween(100, 200), (millis) => Effect.sleep(millis))),
    Effect.forever
  )

/** For comparison, a call of a caller that has one region, and retries. */
const askUnrouted = (us: Endpoint) =>
  Story.use(({ count, unrouted }) =>
    Effect.suspend(() => {
      unrouted.attempts++
      return complete(us, prompt)
    }).pipe(Effect.retry(LlmRetry.policy({ attempts: 3, base: "100 millis" })), count(unrouted))
  )

const missing = Effect.gen(function*() {
  const { absences, callers, tallies: [us, eu], unrouted } = yield* Story
  const isAway = yield* FailoverRouter.isFailedOver("chat").pipe(Effect.orDie)
  const expected: ReadonlyArray<readonly [what: string, happened: boolean]> = [
    ["every call was answered", callers.failedMillis.length === 0 && callers.answeredMillis.length > 0],
    ["the route left us twice", absences.length === 2],
    ["eu answered while us could not", absences.every(({ answered }) => answered > 0)],
    ["us was hardly asked in its outages", us.outages.length === 2 && failures(us) * 4 < eu.answered],
    ["a probe was sent and failed", us.probesFailed > 0],
    ["us asked for a pause and got it", us.throttles > 0],
    ["the route came home, and is there now", absences.every(({ endedAt }) => endedAt !== undefined) && !isAway],
    ["the circuit of eu stayed closed", eu.openings === 0],
    ["the caller without a route saw errors", unrouted.failedMillis.length > 0]
  ]
  return expected.flatMap(([what, happened]) => happened ? [] : [`this did not happen: ${what}`])
})

export const incident: Script = {
  title: "an incident, over real HTTP",
  phases: scenes,
  regions: ["us", "eu"],
  chat: over({ us, eu }, "2 seconds"),
  maxWait: "100 millis",
  play,
  missing
}
