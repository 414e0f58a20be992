/**
 * What happens to the store of circuits, in the form of `CircuitEvent`, of which these events are a part.
 *
 * @since 0.1.0
 */
import { Schema } from "effect"
import { Natural } from "./internal/observers/fields.ts"

/**
 * Two breakers use one key with different policies; the circuit keeps the first.
 *
 * @category events
 * @since 0.1.0
 */
export const PolicyMismatch = Schema.Struct({
  event: Schema.Literal("store.policy_mismatch"),
  key: Schema.String,
  at: Schema.Int
})

/**
 * What a `store.policy_mismatch` event says.
 *
 * @category events
 * @since 0.1.0
 */
export interface PolicyMismatch extends Schema.Schema.Type<typeof PolicyMismatch> {}

/**
 * The store does not answer, or does not push what other processes do: `operation` is what failed first, and `error`
 * the code of its failure, such as `TIMEOUT`, `CONNECTION` or the first word of the server's error. Until
 * `store.recovered` this process decides by itself where it has to. Announced once, however much fails.
 *
 * @category events
 * @since 0.1.0
 */
export const Degraded = Schema.Struct({
  event: Schema.Literal("store.degraded"),
  at: Schema.Int,
  operation: Schema.String,
  error: Schema.String
})

/**
 * What a `store.degraded` event says.
 *
 * @category events
 * @since 0.1.0
 */
export interface Degraded extends Schema.Schema.Type<typeof Degraded> {}

/**
 * The store works again, after `degraded_ms`.
 *
 * @category events
 * @since 0.1.0
 */
export const Recovered = Schema.Struct({
  event: Schema.Literal("store.recovered"),
  at: Schema.Int,
  degraded_ms: Natural
})

/**
 * What a `store.recovered` event says.
 *
 * @category events
 * @since 0.1.0
 */
export interface Recovered extends Schema.Schema.Type<typeof Recovered> {}

/**
 * What the store holds for a key is not a circuit as this library writes it. Unreadable fields took their defaults, and
 * the next write heals them; a value of another type or of a newer version of this library is not touched, and this
 * process decides for itself.
 *
 * @category events
 * @since 0.1.0
 */
export const Corrupt = Schema.Struct({
  event: Schema.Literal("store.corrupt"),
  key: Schema.String,
  at: Schema.Int,
  problem: Schema.Literals(["unreadable_fields", "wrong_type", "newer_version"])
})

/**
 * What a `store.corrupt` event says.
 *
 * @category events
 * @since 0.1.0
 */
export interface Corrupt extends Schema.Schema.Type<typeof Corrupt> {}

/**
 * The store holds `max_circuits` circuits, all of them in use. Until there is room, calls of new keys run without a
 * circuit, and nothing is recorded of these keys. Reported at the first such call, and again only after a minute
 * without one.
 *
 * @category events
 * @since 0.1.0
 */
export const Full = Schema.Struct({
  event: Schema.Literal("store.full"),
  at: Schema.Int,
  max_circuits: Natural
})

/**
 * What a `store.full` event says.
 *
 * @category events
 * @since 0.1.0
 */
export interface Full extends Schema.Schema.Type<typeof Full> {}
