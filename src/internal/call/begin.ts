/** The short way into a call for code that has the fiber already: one effect less than `execute`. */
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

/** An `execute` with its short way as a property, so that a decorator that replaces the one replaces the other too. */
export const beginning = <Execute extends object>(execute: Execute, begin: Begin): Execute =>
  Object.assign(execute, { [key]: begin })

/** The short way of an `execute`; undefined for a decorated one and for test doubles. */
export const beginOf = (execute: object): Begin | undefined => (execute as { readonly [key]?: Begin })[key]
