// The incident: what the primary goes through while everybody goes on calling.
import { Effect, Random } from "effect"
import { CircuitBreaker } from "effect-resilience"
import { ask, type Endpoint } from "./calls.ts"
import * as Provider from "./provider.ts"
import type { Script } from "./script.ts"
import { Story } from "./story.ts"
import type { Phase, Tally } from "./tally.ts"

interface Scene extends Phase {
  readonly primary: Provider.Behaviour
}

const scenes: ReadonlyArray<Scene> = [
  { name: "healthy", seconds: 3, primary: "healthy", about: "both providers answer" },
  { name: "overloaded", seconds: 6, primary: "overloaded", about: "the primary answers 503 and 529" },
  {
    name: "throttled",
    seconds: 5,
    primary: "throttled",
    about: "the primary answers ten calls, then 429 with Retry-After: 1"
  },
  { name: "dead connection", seconds: 5, primary: "dead", about: "the server of the primary is gone" },
  { name: "recovery", seconds: 4, primary: "healthy", about: "the server of the primary is back" }
]

const play = Effect.gen(function*() {
  const primary = yield* Provider.make("primary")
  const standby = yield* Provider.make("standby")
  const callers = [...times(5, caller(primary)), ...times(2, caller(standby))]
  yield* Effect.raceFirst(direct(primary), Effect.all(callers, { concurrency: "unbounded", discard: true }))
})

const direct = Effect.fnUntraced(function*(primary: Provider.Provider) {
  const story = yield* Story
  for (const scene of scenes) {
    yield* story.begin(scene)
    yield* primary.become(scene.primary)
    yield* Effect.sleep(`${scene.seconds} seconds`)
  }
})

// A user who does not give up: call, think, call again.
const caller = (endpoint: Endpoint) =>
  Effect.ignore(ask(endpoint, "Say hello.")).pipe(
    Effect.andThen(Effect.flatMap(Random.nextBetween(100, 200), (millis) => Effect.sleep(millis))),
    Effect.forever
  )

const times = <A>(n: number, value: A) => Array.from({ length: n }, () => value)

const missing = Effect.gen(function*() {
  const { tallies } = yield* Story
  const [primary, standby] = tallies as readonly [Tally, Tally]
  const { _tag: state } = yield* CircuitBreaker.state(primary.key)
  const told: ReadonlyArray<readonly [what: string, happened: boolean]> = [
    ["the circuit of the primary opened", primary.openings > 0],
    ["a call was skipped", primary.skipped > 0 && primary.saved > 0],
    ["a probe was sent and judged", primary.probesSucceeded + primary.probesFailed > 0],
    ["the primary asked for a pause and got it", primary.throttles > 0],
    [
      "a probe closed the circuit of the primary, and it is closed now",
      primary.outages.length > 0 && state === "Closed"
    ],
    ["the standby answered", standby.answered > 0],
    ["the circuit of the standby stayed closed", standby.openings === 0]
  ]
  return told.flatMap(([what, happened]) => happened ? [] : [`this did not happen: ${what}`])
})

export const incident: Script = {
  title: "an incident, over real HTTP",
  phases: scenes,
  keys: ["primary", "standby"],
  attemptTimeout: "1 second",
  play,
  missing
}
