/** Spans of callers, as their tracer saw them, for the tests of what a call tells its span. */
import { Effect, type Exit, Tracer } from "effect"

/** What a span got: its attributes, and its events in order. */
export interface Told {
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: ReadonlyArray<readonly [name: string, attributes: Readonly<Record<string, unknown>>]>
}

/** Runs a call in a span of its own: how it ended, and what the span got. */
export const inSpan = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<Told & { readonly exit: Exit.Exit<A, E> }, never, R> =>
  Effect.gen(function*() {
    const span = yield* nativeSpan
    const exit = yield* Effect.exit(Effect.withParentSpan(self, span))
    return { exit, ...told(span) }
  })

/** A span of Effect's native tracer. */
export const nativeSpan: Effect.Effect<Tracer.NativeSpan> = Effect.map(
  Effect.makeSpan("call", { root: true }),
  (span) => {
    if (span instanceof Tracer.NativeSpan) return span
    throw new TypeError("another tracer is in place")
  }
)

export const told = (span: Tracer.NativeSpan): Told => ({
  attributes: Object.fromEntries(span.attributes),
  events: span.events.map(([name, , attributes]) => [name, attributes] as const)
})

/** A tracer that notes what its spans get. */
export const recording = (seen: Array<string>): Tracer.Tracer =>
  Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      span.attribute = (name) => void seen.push(name)
      span.event = (name) => void seen.push(name)
      return span
    }
  })
