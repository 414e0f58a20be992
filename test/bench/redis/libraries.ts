/** The two libraries side by side: a breaker of each, with a store of its own on the same Redis. */
import { NodeRedis } from "@effect/platform-node"
import { Context, Effect, Layer, type Scope } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"

export type Call = (self: Effect.Effect<number, string>, key: string) => Effect.Effect<number, unknown>

/**
 * - `trip`: so many failures in a row, or half of the last hundred calls.
 * - `quiet`: the store does nothing but what calls ask of it.
 */
export interface Settings {
  readonly url: string
  readonly prefix: string
  readonly trip: number | "rate"
  readonly openMillis?: number | undefined
  readonly quiet?: boolean | undefined
}

export interface Library {
  readonly name: "ours" | "Effect's"
  readonly breaker: (settings: Settings) => Effect.Effect<Call, never, Scope.Scope>
  readonly record: (prefix: string, key: string) => string
}

const hour = 3_600_000

/** A slow machine must not turn the benchmark into one of the breaker without its store. */
export const ourStore = ({ prefix, quiet, url }: Pick<Settings, "prefix" | "quiet" | "url">) =>
  Layer.orDie(RedisCircuitStore.layer({
    url,
    prefix,
    operationTimeout: "5 seconds",
    connectTimeout: "5 seconds",
    requireConnection: true,
    ...quiet === true ? { maxStaleness: hour, lease: hour } : {}
  }))

export const ours: Library = {
  name: "ours",
  breaker: ({ openMillis = hour, trip, ...settings }) =>
    CircuitBreaker.layer({
      tripPolicy: trip === "rate"
        ? TripPolicy.failureRate({ threshold: 0.5, window: 100 })
        : TripPolicy.consecutive(trip),
      openDuration: openMillis
    }).pipe(
      Layer.provide(ourStore(settings)),
      Layer.build,
      Effect.map((context) => (self, key) => Context.get(context, CircuitBreaker.CircuitBreaker).execute(self, { key }))
    ),
  record: (prefix, key) => `${prefix}:records:{${key}}`
}

export const effects: Library = {
  name: "Effect's",
  breaker: ({ openMillis = hour, prefix, trip, url }) =>
    EffectBreaker.layer({
      tripPolicy: trip === "rate"
        ? EffectBreaker.rate({ threshold: 0.5, size: 100 })
        : EffectBreaker.consecutive(trip),
      openDuration: openMillis
    }).pipe(
      Layer.provide(EffectBreaker.layerStoreRedis({ prefix: `${prefix}:` })),
      Layer.provide(NodeRedis.layer({ url })),
      Layer.build,
      Effect.orDie,
      Effect.map((context) => (self, key) => Context.get(context, EffectBreaker.CircuitBreaker).execute(self, { key }))
    ),
  record: (prefix, key) => `${prefix}:${key}`
}
