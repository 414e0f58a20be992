// An incident, over real HTTP: a region is overloaded, throttles, dies and comes back, while its callers go on calling.
// Their circuit opens, another region answers, and when the first is truly back the route goes home. No call fails.
// What does it is in demo/resilience.ts. Run it: npm run demo
// With OPENAI_BASE_URL and OPENAI_API_KEY set (OPENAI_MODEL if you like) it calls that provider instead.
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Data, Effect, Layer, Option, Runtime } from "effect"
import { incident } from "./demo/incident.ts"
import { liveView } from "./demo/liveView.ts"
import { isTerminal } from "./demo/paint.ts"
import { plainView } from "./demo/plainView.ts"
import { endpoint, realProvider } from "./demo/realProvider.ts"
import { resilience } from "./demo/resilience.ts"
import type { Script } from "./demo/script.ts"
import { Story } from "./demo/story.ts"
import { printSummary } from "./demo/summary.ts"

/** The story ended otherwise. Said when it is made, so not reported again. */
class OtherEnding extends Data.TaggedError("OtherEnding") {
  override readonly [Runtime.errorReported] = false
}

const tell = (script: Script) =>
  Effect.gen(function*() {
    const story = yield* Story
    yield* isTerminal ? liveView : plainView
    yield* Effect.scoped(script.play)
    yield* story.end
  }).pipe(
    Effect.scoped,
    Effect.andThen(printSummary),
    Effect.andThen(script.missing),
    Effect.flatMap((missing) => {
      if (missing.length === 0) return Effect.void
      console.log(`\n${missing.join("\n")}`)
      return new OtherEnding()
    }),
    Effect.provide(
      Layer.mergeAll(resilience(script), NodeHttpClient.layerUndici).pipe(
        Layer.provideMerge(Story.layer(script))
      )
    )
  )

const program = Effect.flatMap(
  endpoint,
  (endpoint) => tell(Option.match(endpoint, { onNone: () => incident, onSome: realProvider }))
)

NodeRuntime.runMain(program)
