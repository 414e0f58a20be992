// A gateway in front of model providers, compatible with OpenAI: callers ask for a model, and the first healthy target
// of that model answers. What is resilient in it comes from the library, and gateway/resilience.ts tunes it; the rest
// translates HTTP.
//
// Write a configuration as in gateway/configuration.ts, and run it:
//   npm run build && GATEWAY_CONFIG=gateway.json node examples/gateway.ts
//
// | route | what it gives |
// | --- | --- |
// | `POST /v1/chat/completions` | a completion, streamed or in one piece |
// | `GET /v1/models` | the configured models |
// | `GET /metrics` | metrics for Prometheus |
// | `GET /circuits` | the console |
import { NodeHttpClient, NodeHttpServer, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Cause, Console, Context, Effect, Exit, Layer, Logger } from "effect"
import { ReusedConnection } from "effect-resilience/http"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer, type Server } from "node:http"
import * as Configuration from "./gateway/configuration.ts"
import { ConfigurationError } from "./gateway/configurationError.ts"
import * as Ending from "./gateway/ending.ts"
import * as Resilience from "./gateway/resilience.ts"
import * as Routes from "./gateway/routes.ts"

const listening = ({ host = "127.0.0.1", port }: Configuration.Configuration, server: Server) =>
  NodeHttpServer.layer(() => server, { host, port, gracefulShutdownTimeout: Ending.limit }).pipe(
    Layer.catchTag("ServeError", ({ cause }) =>
      Layer.effectContext(
        Effect.fail(new ConfigurationError({ message: `cannot listen on port ${port} of ${host}: ${String(cause)}` }))
      ))
  )

/** Serves until it is interrupted, and then lets requests on their way come to an end. */
export const main: Effect.Effect<never, ConfigurationError> = Effect.gen(function*() {
  const configuration = yield* Configuration.load
  const server = createServer()
  const ending = yield* Ending.make(server)
  const models = Resilience.models(configuration)
  const context = yield* HttpRouter.serve(Routes.layer(configuration, models, ending), {
    disableLogger: true,
    disableListenLog: true
  }).pipe(
    Layer.provide(Resilience.layer(models)),
    // Targets close connections that are idle, which says nothing of them.
    Layer.provide(ReusedConnection.layer),
    Layer.provide(NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })),
    Layer.provideMerge(listening(configuration, server)),
    Layer.build
  )
  yield* Effect.addFinalizer(() => ending.begin)
  const { address } = Context.get(context, HttpServer.HttpServer)
  yield* Console.log(`gateway listens on ${HttpServer.formatAddress(address)}`)
  return yield* Effect.never
}).pipe(
  Effect.scoped,
  Effect.tapError(({ message }) => Console.error(message)),
  // Output is for that one line, and errors for the log.
  Effect.provide(Layer.merge(NodeServices.layer, Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])))
)

if (import.meta.main) {
  NodeRuntime.runMain(main, {
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
  })
}
