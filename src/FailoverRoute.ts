/**
 * Routes and their targets.
 *
 * A **target** is what a call can be sent to: a provider, a model, a region, an account. A **route** is the list of
 * targets for one purpose, the preferred one first. A target carries a **payload** of yours, such as the client that
 * calls it, so that a call finds at its target what it needs there.
 *
 * Names and settings are checked as a whole when the router is built, copied and frozen: a later
 * change of the object that was given changes nothing. A payload is handed on as it is.
 *
 * **Example** (Each target with its client)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { CircuitBreaker, CircuitStore, FailoverRoute, FailoverRouter, LlmOutcome } from "effect-resilience"
 *
 * const clientOf = (region: string) => ({ complete: (prompt: string) => Effect.succeed(`${prompt} from ${region}`) })
 *
 * const chat = FailoverRoute.make("chat", {
 *   targets: [
 *     { name: "us", payload: clientOf("Virginia") },
 *     { name: "eu", payload: clientOf("Frankfurt") }
 *   ],
 *   deadline: "30 seconds"
 * })
 *
 * const Router = FailoverRouter.layer({ routes: [chat] }).pipe(
 *   Layer.provide(CircuitBreaker.layer({ classify: LlmOutcome.classify })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = FailoverRouter.execute(chat, (target) => target.payload.complete("hello")).pipe(
 *   Effect.provide(Router)
 * )
 *
 * await Effect.runPromise(program) // => "hello from Virginia"
 * ```
 *
 * @since 0.1.0
 */
import { type Duration, Effect, Schema } from "effect"
import { type Kind, kinds } from "./Outcome.ts"

/**
 * A target as a user describes it. A name is enough.
 *
 * - `name`: unique in its route; what calls, events and metrics call it.
 * - `key`: its circuit. Routes that share a key share the circuit. Default: `<route>/<name>`.
 * - `region`: for `allow`.
 * - `tier`: who is asked first, from 1. A target is left for those of a higher number only when all of its own tier do
 *   not serve. Give it to all targets of a route or to none. Default: the place in the list.
 * - `weight`: the share of the calls among the targets of the same tier; 0 gets calls only when the others serve none.
 *   Default: 1.
 * - `contextTokens`: how long a prompt it takes. A call that is too long for one target goes on to larger ones only.
 * - `credentials`: whose keys calls bring to this target. Refusals of the account or the place (`auth`, or
 *   `quota_exhausted` as an `Ignored`) that the route goes on for count as failures of a target with keys of its
 *   `"own"`, so that it is left, and are announced as `failover.refused`. With those of the `"caller"` they say nothing
 *   of the target. Default: `"own"`.
 * - `attemptTimeout`, `firstContentTimeout`, `idleTimeout`: in place of the route's.
 * - `payload`: whatever calls need there. It is neither copied nor looked at, and in no event, span, log or JSON of
 *   this library. Default: what the `payload` of the route gives.
 *
 * @category options
 * @since 0.1.0
 */
export interface TargetOptions<out P = unknown> {
  readonly name: string
  readonly key?: string | undefined
  readonly region?: string | undefined
  readonly tier?: number | undefined
  readonly weight?: number | undefined
  readonly contextTokens?: number | undefined
  readonly credentials?: "own" | "caller" | undefined
  readonly attemptTimeout?: Duration.Input | undefined
  readonly firstContentTimeout?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly payload?: P | undefined
}

/**
 * A fence that failover never crosses: only targets of these regions, and of these names. A list that is absent allows
 * all; a target without a region is in none.
 *
 * @category options
 * @since 0.1.0
 */
export interface Fence {
  readonly regions?: ReadonlyArray<string> | undefined
  readonly targets?: ReadonlyArray<string> | undefined
}

/**
 * A route as a user describes it.
 *
 * - `targets`: the preferred one, called the primary, first.
 * - `payload`: what the targets carry that do not say it themselves. Called once for each when the router is built.
 * - `allow`: leaves out all other targets, for every call. See `Fence`.
 * - `minFailoverDuration`: how long the route stays away from a better tier once it has left it, so that it does not
 *   go to and fro. Default: 30 seconds.
 * - `deadline`: the time for all targets together; for a stream, until its first content is there, and no part of it is
 *   held back any longer. A target that is cut off by it is judged as too slow if it had more than half of it. The
 *   router does not share it out among the targets: give them shorter limits, or the first one that hangs takes all of
 *   it. Default: none.
 * - `attemptTimeout`: cuts off one attempt at one target, which counts as its failure. That of the circuit's policy
 *   applies too. Not for streams. Default: 10 minutes, because an answer in one piece comes only when it is whole.
 *   `"Infinity"` lifts it.
 * - `firstContentTimeout`, `idleTimeout`: for streams, as for `CircuitBreaker.stream`. Default: 2 minutes each.
 * - `rescue`: how many parts of a stream are held back, so that one that is cut off within them starts again at the
 *   next target. The price is the time these parts take. Default: 0, which holds back what comes before the content.
 * - `maxHeldBytes`: how much of a stream is held back at most, in bytes of memory. More without any content is a
 *   failure of the target, `slow_first_content`; with content it is let through. All streams of a process have
 *   `FailoverRouter.MaxHeldBytes` together. Default: 16777216, which is 16 MiB.
 * - `waitFor`: how long a call waits for the target that it prefers while that one's provider wants everybody to wait,
 *   although another one takes calls: worth it where a cached prompt is. Default: none. While no other takes calls, a
 *   call waits for whom it may ask first, within its deadline.
 * - `whenExhausted`: `"last_resort"` asks, when every circuit turned the call away, a target whose circuit is open for
 *   failures that a request can cause by itself, because the call may be no such request; see `lastResort` of
 *   `CircuitBreaker.execute`. `"fail"` asks nobody. Default: `"last_resort"`.
 * - `failOverOn`: kinds of `Ignored` outcomes that go on to the next target although they say nothing about its health.
 *   Default: `["auth", "quota_exhausted"]`, refusals of an account or a place. A `context_length` always goes on to
 *   larger targets, and an outcome that says `elsewhere` to the next one, because only this target cannot do it.
 *
 * @category options
 * @since 0.1.0
 */
export interface RouteOptions<out P = unknown> {
  readonly targets: ReadonlyArray<string | TargetOptions<P>>
  readonly payload?: ((target: Target<undefined>) => P) | undefined
  readonly allow?: Fence | undefined
  readonly minFailoverDuration?: Duration.Input | undefined
  readonly deadline?: Duration.Input | undefined
  readonly attemptTimeout?: Duration.Input | undefined
  readonly firstContentTimeout?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly rescue?: number | undefined
  readonly maxHeldBytes?: number | undefined
  readonly waitFor?: Duration.Input | undefined
  readonly whenExhausted?: "last_resort" | "fail" | undefined
  readonly failOverOn?: ReadonlyArray<Kind> | undefined
}

/**
 * A target as calls and probes get it: with the name of its route and the key of its circuit.
 *
 * **Gotcha** `payload` is not a property of the object itself, so that neither JSON nor a log shows it; a copy made by
 * `{ ...target }` is without it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target<out P = unknown> {
  readonly route: string
  readonly name: string
  readonly key: string
  readonly region: string | undefined
  readonly tier: number
  readonly weight: number
  readonly contextTokens: number | undefined
  readonly payload: P
}

/**
 * A route: a value to build a router with, and to call it by. It is known by identity, since another value of the same
 * name could carry something else: make it once.
 *
 * @category models
 * @since 0.1.0
 */
export interface FailoverRoute<out P = unknown> {
  readonly name: string
  readonly options: RouteOptions<P>
}

/**
 * A route whose targets and settings come from configuration, for `FailoverRouter.layerConfig`. Known by identity too.
 *
 * @category models
 * @since 0.1.0
 */
export interface Configured<out P = unknown> {
  readonly name: string
  readonly payload: (target: Target<undefined>) => P
}

/**
 * How a call names its route: by the value, or by its name, which does not have the type of the targets' payload.
 *
 * @category models
 * @since 0.1.0
 */
export type Reference<P = unknown> = string | FailoverRoute<P> | Configured<P>

/**
 * What the targets of a route carry.
 *
 * @category models
 * @since 0.1.0
 */
export type Payload<Route extends FailoverRoute | Configured> = Route extends
  | { readonly options: RouteOptions<infer P> }
  | Configured<infer P> ? P
  : never

/**
 * Makes a route. Its payloads may differ from target to target; those of targets without one are undefined, unless a
 * function gives them for all.
 *
 * **Example** (One function for all targets)
 *
 * ```ts
 * import { FailoverRoute } from "effect-resilience"
 *
 * const chat = FailoverRoute.make("chat", {
 *   targets: ["us", "eu"],
 *   payload: ({ name }) => ({ url: `https://${name}.example.com/v1` })
 * })
 *
 * chat.name // => "chat"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: {
  <P>(
    name: string,
    options: RouteOptions<P> & { readonly payload: (target: Target<undefined>) => P }
  ): FailoverRoute<P>
  <T extends string | TargetOptions>(
    name: string,
    options: Omit<RouteOptions, "targets" | "payload"> & { readonly targets: ReadonlyArray<Described<T>> }
  ): FailoverRoute<Carried<T>>
} = <P>(name: string, options: RouteOptions<P>): FailoverRoute<P> => ({ name, options })

/** What the targets of a list carry. */
type Carried<T> = T extends { readonly payload?: unknown } ? "payload" extends keyof T ? T["payload"] : undefined
  : undefined

/** What describes a target, without fields that none has. */
type Described<T> = T extends string ? T
  : T & { readonly [Field in Exclude<keyof T, keyof TargetOptions>]: UnknownField<Field> }

/** What no value is: the compiler's message has its name. */
interface UnknownField<Name> {
  readonly [unknownField]: Name
}

declare const unknownField: unique symbol

/**
 * A route that configuration describes by this name, and what its targets carry; see `FailoverRouter.layerConfig`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromConfig = <P>(name: string, payload: (target: Target<undefined>) => P): Configured<P> => ({
  name,
  payload
})

/**
 * The form of routes in JSON: by name, with durations such as `"30 seconds"`. Says what has which form; whether it
 * makes sense together is checked when the router is built. Read it with `decode`, to which a misspelt field is an
 * error: without, the schema leaves it out, and a fence with it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Routes = /* @__PURE__ */ (() => {
  // In a function, because a bundler can leave out its one call, and would keep each of these.
  const limits = {
    attemptTimeout: Schema.optional(Schema.DurationFromString),
    firstContentTimeout: Schema.optional(Schema.DurationFromString),
    idleTimeout: Schema.optional(Schema.DurationFromString)
  }
  return Schema.Record(
    Schema.String,
    Schema.Struct({
      targets: Schema.Array(Schema.Union([
        Schema.String,
        Schema.Struct({
          name: Schema.String,
          key: Schema.optional(Schema.String),
          region: Schema.optional(Schema.String),
          tier: Schema.optional(Schema.Finite),
          weight: Schema.optional(Schema.Finite),
          contextTokens: Schema.optional(Schema.Finite),
          credentials: Schema.optional(Schema.Literals(["own", "caller"])),
          ...limits
        })
      ])),
      allow: Schema.optional(Schema.Struct({
        regions: Schema.optional(Schema.Array(Schema.String)),
        targets: Schema.optional(Schema.Array(Schema.String))
      })),
      minFailoverDuration: Schema.optional(Schema.DurationFromString),
      deadline: Schema.optional(Schema.DurationFromString),
      waitFor: Schema.optional(Schema.DurationFromString),
      ...limits,
      rescue: Schema.optional(Schema.Finite),
      maxHeldBytes: Schema.optional(Schema.Finite),
      whenExhausted: Schema.optional(Schema.Literals(["last_resort", "fail"])),
      failOverOn: Schema.optional(Schema.Array(Schema.Literals(kinds)))
    })
  )
})()

/**
 * Reads routes from what JSON gave, in the form of `Routes`, and gives their targets a payload. Strict: a field too
 * many or of another form is an error.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = <P = undefined>(
  input: unknown,
  payload?: (target: Target<undefined>) => P
): Effect.Effect<ReadonlyArray<FailoverRoute<P>>, Schema.SchemaError> =>
  Effect.map(
    Schema.decodeUnknownEffect(Routes, { onExcessProperty: "error" })(input),
    (routes) => Object.entries(routes).map(([name, options]) => ({ name, options: { ...options, payload } }))
  )
