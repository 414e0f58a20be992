import { Clock, Effect, Stream } from "effect"
import { handClock } from "./handClock.ts"

type Parts = readonly [string, ...Array<string>]

/** A provider that works so long on each of its pulls, and never has to wait. */
export type Takes = (millis: number, ...parts: Parts) => Stream.Stream<string>

/** Runs a test in a process that is too busy for timers: time goes on while the provider works, and nobody wakes. */
export const busily = <A, E, R>(test: (takes: Takes) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let now = 0
    const takes: Takes = (millis, ...parts) =>
      Stream.fromPull(Effect.succeed(Effect.sync(() => {
        now += millis
        return parts
      })))
    return Effect.provideService(test(takes), Clock.Clock, handClock(() => now))
  })
