/**
 * A second try for requests that met a connection which had died while it was idle.
 *
 * Servers and balancers close connections that are idle, and a client notices only when it uses one again. Such a reset
 * before any byte of a response says nothing of the provider. This layer sends the request once more, on a new
 * connection, and a circuit around the client never hears of the first try. A reset on a new connection, a second
 * reset, or one after a byte has come fails as ever.
 *
 * **Gotchas**
 *
 * - It knows the requests of `node:http` and `node:https`, as of `NodeHttpClient.layerNodeHttp`, because they tell
 *   whether their connection was used before. With any other client it changes nothing.
 * - A request whose body is a stream or a form is never sent again. Neither is one
 *   after `leg.commit`, by which a call of a route says that it must not happen twice. Others that must not turn it
 *   off: `Effect.provideService(ReusedConnection.Enabled, false)`.
 * - Put it below the guard: `GuardedHttpClient.layer().pipe(Layer.provide(ReusedConnection.layer))`.
 *
 * **Example** (Below a guard)
 *
 * ```ts
 * import { NodeHttpClient } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, LlmOutcome } from "effect-resilience"
 * import { GuardedHttpClient, ReusedConnection } from "effect-resilience/http"
 * import { HttpClient } from "effect/http"
 *
 * const Client = GuardedHttpClient.layer().pipe(
 *   Layer.provide(ReusedConnection.layer),
 *   Layer.provide(NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })),
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * // Nobody listens there, and to be refused is no reset.
 * const program = Effect.flip(HttpClient.get("http://127.0.0.1:9")).pipe(Effect.provide(Client))
 *
 * const { reason } = await Effect.runPromise(program)
 * reason._tag // => "TransportError"
 * ```
 *
 * @since 0.1.0
 */
import { Context, Effect, Layer } from "effect"
import { HttpClient, type HttpClientRequest } from "effect/http"
import { IsCommitted } from "../internal/call/committed.ts"
import { property } from "../internal/untrusted/values.ts"
import { isReset, watchConnections } from "./internal/connections.ts"

/**
 * Whether a request may be sent a second time. Default: true.
 *
 * @category references
 * @since 0.1.0
 */
export const Enabled: Context.Reference<boolean> = Context.Reference("effect-resilience/ReusedConnection/Enabled", {
  defaultValue: () => true
})

/**
 * The `HttpClient` of a program, with that second try.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<HttpClient.HttpClient, never, HttpClient.HttpClient> = Layer.effect(
  HttpClient.HttpClient,
  Effect.gen(function*() {
    const client = yield* HttpClient.HttpClient
    yield* watchConnections
    return HttpClient.transform(
      client,
      (send, request) =>
        Effect.catch(
          send,
          (error) =>
            Effect.withFiber((fiber) =>
              fiber.getRef(Enabled) && !fiber.getRef(IsCommitted)() && isWhole(request) &&
                isReset(property(property(error, "reason"), "cause"))
                ? send
                : Effect.fail(error)
            )
        )
    )
  })
)

/** Whether the body can be sent again. */
const isWhole = ({ body }: HttpClientRequest.HttpClientRequest): boolean =>
  body._tag === "Empty" || body._tag === "Uint8Array"
