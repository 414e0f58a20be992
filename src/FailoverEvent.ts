/**
 * The events of a failover router, which are part of `CircuitEvent`.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import { rejectedBy } from "./Circuit.ts"
import { Natural } from "./internal/observers/fields.ts"
import { accountKinds } from "./internal/options/accountKinds.ts"
import { kinds } from "./Outcome.ts"

/**
 * Why a target does not serve: how its circuit turned the call away, or the kind of its failure.
 *
 * @category models
 * @since 0.1.0
 */
export const Cause = Schema.Literals([...rejectedBy, ...kinds])

/**
 * Why a target does not serve.
 *
 * @category models
 * @since 0.1.0
 */
export type Cause = typeof Cause.Type

const failover = <const Name extends string, Fields extends Schema.Struct.Fields>(event: Name, fields: Fields) =>
  Schema.Struct({ event: Schema.Literal(event), route: Schema.String, at: Schema.Int, ...fields })

/**
 * Another target serves the route from now on: `cause` is why the former one does not, or `recovered` if a better one
 * is back that is not the primary.
 *
 * @category events
 * @since 0.1.0
 */
export const Switched = failover("failover.switched", {
  from_target: Schema.String,
  to_target: Schema.String,
  cause: Schema.Literals(["recovered", ...Cause.literals])
})

/**
 * The fields of `failover.switched`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Switched extends Schema.Schema.Type<typeof Switched> {}

/**
 * The primary target serves the route again, after others did for `failed_over_ms`.
 *
 * @category events
 * @since 0.1.0
 */
export const Recovered = failover("failover.recovered", {
  from_target: Schema.String,
  to_target: Schema.String,
  failed_over_ms: Natural
})

/**
 * The fields of `failover.recovered`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Recovered extends Schema.Schema.Type<typeof Recovered> {}

/**
 * A call found no target of its route that served it. `targets` has the cause for each.
 *
 * @category events
 * @since 0.1.0
 */
export const Exhausted = failover("failover.exhausted", {
  targets: Schema.Array(Schema.Struct({ target: Schema.String, cause: Cause })),
  retry_after_ms: Schema.optionalKey(Natural)
})

/**
 * The fields of `failover.exhausted`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Exhausted extends Schema.Schema.Type<typeof Exhausted> {}

/**
 * Calls that one target did not serve were sent on to another one: the first of a cause at once, and then once a minute
 * how many more there were.
 *
 * @category events
 * @since 0.1.0
 */
export const Moved = failover("failover.moved", {
  from_target: Schema.String,
  to_target: Schema.String,
  cause: Cause,
  calls: Natural
})

/**
 * The fields of `failover.moved`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Moved extends Schema.Schema.Type<typeof Moved> {}

/**
 * A target refused calls for its account or its place: the key, the credit or the country. The first at once, and then
 * once a minute how many more there were. Targets whose `credentials` are the caller's are left out.
 *
 * @category events
 * @since 0.1.0
 */
export const Refused = failover("failover.refused", {
  target: Schema.String,
  kind: Schema.Literals(accountKinds),
  calls: Natural
})

/**
 * The fields of `failover.refused`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Refused extends Schema.Schema.Type<typeof Refused> {}

/**
 * A health probe of a target ended.
 *
 * @category events
 * @since 0.1.0
 */
export const Probe = failover("failover.probe", {
  target: Schema.String,
  result: Schema.Literals(["success", "failure", "timeout"])
})

/**
 * The fields of `failover.probe`.
 *
 * @category events
 * @since 0.1.0
 */
export interface Probe extends Schema.Schema.Type<typeof Probe> {}
