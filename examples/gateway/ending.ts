// How the gateway ends: it takes no more connections, and requests that run have some time to end by themselves. After
// that they get an error.
import { Data, Deferred, Duration, Effect, Schedule } from "effect"
import type { Server } from "node:http"

const grace = Duration.seconds(10)

/** How long the server may take to close: the grace, and a moment to write the errors. */
export const limit = Duration.seconds(12)

export class Ended extends Data.TaggedError("Ended")<{ readonly message: string }> {}

export interface Ending {
  /** Fails when the grace is over. */
  readonly ended: Effect.Effect<never, Ended>
  readonly begin: Effect.Effect<void>
}

export const make = (server: Server): Effect.Effect<Ending> =>
  Effect.map(Deferred.make<never, Ended>(), (ended) => {
    const tellAll = Effect.sleep(grace).pipe(
      Effect.andThen(Deferred.fail(ended, new Ended({ message: "The gateway ended before the answer was complete." })))
    )
    // Closes idle connections, because a client keeps its connection for another request.
    const closeIdle = Effect.sync(() => server.closeIdleConnections()).pipe(
      Effect.repeat(Schedule.spaced("100 millis"))
    )
    return {
      ended: Deferred.await(ended),
      begin: Effect.all([tellAll, closeIdle], { concurrency: "unbounded" }).pipe(
        Effect.timeout(limit),
        Effect.forkDetach,
        Effect.asVoid
      )
    }
  })
