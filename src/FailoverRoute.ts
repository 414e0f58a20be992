/**
 * Routes and their targets, as data: from code, or from JSON with `Routes`.
 *
 * A **target** is what a call can be sent to: a provider, a model, a region, an account. A **route** is the list of
 * targets for one purpose, the preferred one first. Both are checked as a whole when the router is built, copied and
 * frozen: whoever changes the object that was given changes nothing.
 *
 * @since 0.1.0
 */
import { type Duration, type Effect, Schema } from "effect"
import { type Kind, kinds } from "./Outcome.ts"

/**
 * A target as a user describes it. Its name alone will do.
 *
 * - `name`: unique in its route; what calls, events and metrics call it.
 * - `key`: its circuit. Routes that share a key share the circuit. Default: `<route>/<name>`.
 * - `region`: for `allow`.
 * - `tier`: who is asked first, from 1. A target is left for those of a higher number only when all of its own tier do
 *   not serve. Give it to all targets of a route or to none. Default: the place in the list.
 * - `weight`: the share of the calls among the targets of the same tier; 0 gets calls only when the others serve none.
 *   Default: 1.
 * - `contextTokens`: how long a prompt it takes. A call that is too long for one target goes on to larger ones only.
 * - `attemptTimeout`, `firstContentTimeout`, `idleTimeout`: in place of the route's.
 *
 * @category options
 * @since 0.1.0
 */
export interface TargetOptions {
  readonly name: string
  readonly key?: string | undefined
  readonly region?: string | undefined
  readonly tier?: number | undefined
  readonly weight?: number | undefined
  readonly contextTokens?: number | undefined
  readonly attemptTimeout?: Duration.Input | undefined
  readonly firstContentTimeout?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
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
 * - `allow`: leaves out all other targets, for every call. See `Fence`.
 * - `minFailoverDuration`: how long the route stays away from a better tier once it has left it, so that it does not
 *   go to and fro. Default: 30 seconds.
 * - `deadline`: the time for all targets together; for a stream, until its first content is there, and no part of it is
 *   held back any longer. A target that is
 *   cut off by it is judged as too slow if it had more than half of it. It is not shared out among the targets: give
 *   them limits too, or the first one that hangs takes all of it. Default: none.
 * - `attemptTimeout`: cuts off one attempt at one target, which counts as its failure. Not for streams. Default: none,
 *   or the policy's of the circuit.
 * - `firstContentTimeout`, `idleTimeout`: for streams, as for `CircuitBreaker.stream`. Default: none.
 * - `rescue`: how many parts of a stream are held back, so that one that is cut off within them starts again at the
 *   next target. The price is the time these parts take. Default: 0, which holds back what comes before the content.
 * - `whenExhausted`: `"least_bad"` asks, when every circuit turned the call away, the target whose circuit would take
 *   calls again first; never one that an operator holds open or that asked everybody to wait. Such calls have a circuit
 *   of their own, `<key>/last-resort`, so that they stop too where they only fail. Default: `"fail"`.
 * - `failOverOn`: kinds of `Ignored` outcomes that go on to the next target although they say nothing about its health.
 *   Default: `["auth"]`. A `context_length` always goes on to larger targets.
 *
 * @category options
 * @since 0.1.0
 */
export interface RouteOptions {
  readonly targets: ReadonlyArray<string | TargetOptions>
  readonly allow?: Fence | undefined
  readonly minFailoverDuration?: Duration.Input | undefined
  readonly deadline?: Duration.Input | undefined
  readonly attemptTimeout?: Duration.Input | undefined
  readonly firstContentTimeout?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly rescue?: number | undefined
  readonly whenExhausted?: "fail" | "least_bad" | undefined
  readonly failOverOn?: ReadonlyArray<Kind> | undefined
}

/**
 * A target as calls and probes get it: with the name of its route and the key of its circuit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  readonly route: string
  readonly name: string
  readonly key: string
  readonly region: string | undefined
  readonly tier: number
  readonly weight: number
  readonly contextTokens: number | undefined
}

const Limits = {
  attemptTimeout: Schema.optional(Schema.DurationFromString),
  firstContentTimeout: Schema.optional(Schema.DurationFromString),
  idleTimeout: Schema.optional(Schema.DurationFromString)
}

/**
 * The form of routes in JSON: by name, with durations such as `"30 seconds"`. Says what has which form; whether it
 * makes sense together is checked when the router is built. Read it with `decode`, to which a misspelt field is an
 * error: without, the schema leaves it out, and a fence with it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Routes = Schema.Record(
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
        ...Limits
      })
    ])),
    allow: Schema.optional(Schema.Struct({
      regions: Schema.optional(Schema.Array(Schema.String)),
      targets: Schema.optional(Schema.Array(Schema.String))
    })),
    minFailoverDuration: Schema.optional(Schema.DurationFromString),
    deadline: Schema.optional(Schema.DurationFromString),
    ...Limits,
    rescue: Schema.optional(Schema.Finite),
    whenExhausted: Schema.optional(Schema.Literals(["fail", "least_bad"])),
    failOverOn: Schema.optional(Schema.Array(Schema.Literals(kinds)))
  })
)

/**
 * Reads routes from what JSON gave. Strict: a field too many or of another form is an error.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode: (input: unknown) => Effect.Effect<typeof Routes.Type, Schema.SchemaError> = Schema
  .decodeUnknownEffect(Routes, { onExcessProperty: "error" })
