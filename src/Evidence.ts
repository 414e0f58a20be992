/**
 * The request and the source of a call, because one request, one call and one source are one piece of evidence.
 *
 * A request can make a healthy dependency fail: a prompt that crashes a server, a body that is too slow to answer. If
 * each of its attempts counted, one caller's request would open the circuit for everybody. A circuit therefore knows a
 * request again:
 *
 * | a failure of a kind that a request can cause | counts |
 * | --- | --- |
 * | of a call that failed here before, as attempts do that share an `Evidence` | no: `same_call` |
 * | of a call that failed at another circuit before, as a router's does at its second target | no: `same_walk` |
 * | of a request that failed here before, while the dependency serves other requests | no: `repeat` |
 * | of a source that would open the circuit without any other, while another source is active | no: `one_source` |
 * | of anything else, and of every probe | yes |
 *
 * Those kinds are `server_error`, `unknown`, `malformed_response`, `timeout`, `slow_first_content`, `stream_cut` and
 * `stream_stalled`, and in a route `auth`. What only a dependency can cause, such as `overloaded` or `connection`,
 * counts each time.
 *
 * Without a description every call is a request of its own, and what `Effect.retry` runs again is the same request: it
 * is recognised by the error that it retries, if that is an object. A request that fails again and again while nothing
 * else is served counts each time, so that a caller with one prompt opens the circuit of a dead dependency too.
 *
 * **Gotcha** A failure that does not count still has its `circuit.failure` event, with `not_counted`.
 *
 * **Example** (One bad request, sent again and again)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, Evidence, LlmOutcome, TripPolicy } from "effect-resilience"
 *
 * const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify, tripPolicy: TripPolicy.consecutive(2) }).pipe(
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const provider = (body: string): Effect.Effect<string, { readonly status: number }> =>
 *   body === "poison" ? Effect.fail({ status: 500 }) : Effect.succeed("hello")
 *
 * const send = (body: string) =>
 *   provider(body).pipe(CircuitBreaker.execute({ key: "model", evidence: Evidence.make({ request: body }) }))
 *
 * const program = Effect.gen(function*() {
 *   yield* send("fine")
 *   for (let sent = 0; sent < 5; sent++) yield* Effect.flip(send("poison"))
 *   return yield* send("fine")
 * })
 *
 * await Effect.runPromise(Effect.provide(program, Breaker)) // => "hello"
 * ```
 *
 * @since 0.1.0
 */
import { CallEvidence, shape, type TypeId } from "./internal/call/callEvidence.ts"
import { digest } from "./internal/call/digest.ts"
import { checkOptions } from "./internal/options/known.ts"
import { invalid } from "./internal/options/validation.ts"

/**
 * The description of a call. Neither value leaves the process: a circuit keeps a digest of each, and the record of a
 * shared store has it keyed by the key of its circuit.
 *
 * - `request`: the request, such as the body that is sent. Text and bytes are compared by content, other objects by
 *   identity. Default: the call itself.
 * - `source`: the caller, such as a tenant or the digest of an API key. Default: none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  readonly request?: unknown
  readonly source?: unknown
}

/**
 * One call. Attempts that share it are one piece of evidence, at every circuit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Evidence {
  readonly [TypeId]: typeof TypeId
}

/**
 * The evidence of one call: give it to `execute`, `stream` or `acquire`, and to each attempt of a call that is repeated
 * or spread by hand. A router makes one for each of its calls.
 *
 * A description that is costly to make can be a function: it runs when a circuit has to know, which is when the call
 * fails, when it is served while failures are remembered, and otherwise once a second.
 *
 * Throws `InvalidOptions` for what is no description; a function that gives none is a fault, of which observers
 * hear, and its call is a request of its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (description: Description | (() => Description) = {}): Evidence => {
  const known = typeof description === "function" ? undefined : checked(description)
  return new CallEvidence((call) => {
    const { request, source } = known ?? checked((description as () => Description)())
    return {
      call,
      request: request === undefined ? call : digest(request),
      source: source === undefined ? 0 : digest(source)
    }
  }, typeof description === "function")
}

const checked = (description: Description): Description => {
  if (Object(description) !== description) {
    invalid("evidence", shape(description), "an object with a request or a source, or a function that gives one")
  }
  checkOptions(description, { request: true, source: true }, "evidence")
  return description
}
