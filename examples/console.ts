// The console on a server of its own: three models, one of which is in trouble every other minute.
// Run it: npm run build && CONSOLE_TOKEN=secret node examples/console.ts
// Then open http://localhost:3000/circuits; PORT takes another port, and without CONSOLE_TOKEN it is read-only.
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Clock, Config, Data, Effect, Layer, Option, Schedule } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
import { CircuitConsole } from "effect-resilience/console"
import { HttpRouter } from "effect/http"
import { createServer } from "node:http"

class ProviderError extends Data.TaggedError("ProviderError")<{ readonly status: number }> {}

const models = ["openai/gpt-5", "anthropic/claude-sonnet", "mistral/large"]

/** Answers, but the first model fails for every other minute. */
const ask = Effect.fnUntraced(function*(model: string) {
  yield* Effect.sleep("120 millis")
  const minute = Math.floor((yield* Clock.currentTimeMillis) / 60_000)
  if (model === models[0] && minute % 2 === 0) return yield* new ProviderError({ status: 503 })
  return "hello"
})

const traffic = Effect.forEach(
  models,
  (key) => ask(key).pipe(CircuitBreaker.execute({ key }), Effect.ignore, Effect.repeat(Schedule.spaced("300 millis"))),
  { concurrency: "unbounded", discard: true }
)

const Console = CircuitConsole.layerConfig(
  Config.all({
    title: Config.succeed("Models"),
    operators: Config.Redacted("CONSOLE_TOKEN").pipe(
      Config.option,
      Config.map(Option.match({ onNone: () => ({}), onSome: (token) => ({ "on call": token }) }))
    )
  })
)

const Breaker = CircuitBreaker.layer({
  tripPolicy: TripPolicy.consecutive(5),
  openDuration: "15 seconds",
  classify: LlmOutcome.classify
}).pipe(Layer.provide(CircuitStore.layerMemory))

const Server = Layer.unwrap(
  Effect.map(
    Config.Int("PORT").pipe(Config.withDefault(3000)),
    (port) => NodeHttpServer.layer(createServer, { port })
  )
)

/** The server and its traffic, until the layer closes. */
export const App = HttpRouter.serve(Layer.merge(Console, Layer.effectDiscard(Effect.forkScoped(traffic)))).pipe(
  Layer.provide(Breaker),
  Layer.provideMerge(Server)
)

if (import.meta.main) NodeRuntime.runMain(Layer.launch(App))
