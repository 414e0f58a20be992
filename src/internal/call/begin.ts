/** The short way into a call: one step less than `execute`, for who is in a fiber already. */
import type { Effect, Fiber } from "effect"
import type { ExecuteOptions } from "../../CircuitBreaker.ts"
import type { CircuitBreakerError } from "../../CircuitError.ts"

/** Begins a call that is in a fiber already. */
export type Begin = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  self: Effect.Effect<A, E, R>,
  options: ExecuteOptions<A, E>
) => Effect.Effect<A, E | CircuitBreakerError, R>

const key: unique symbol = Symbol("effect-resilience/begin")

/** An `execute` that brings its short way along: who puts another function in its place takes that away with it. */
export const beginning = <Execute extends object>(execute: Execute, begin: Begin): Execute =>
  Object.assign(execute, { [key]: begin })

/** The short way of an `execute`; undefined for that of a decorated breaker or of a double. */
export const beginOf = (execute: object): Begin | undefined => (execute as { readonly [key]?: Begin })[key]
