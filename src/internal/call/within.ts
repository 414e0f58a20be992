/** A limit on the time of an effect, at the least cost where the effect ends at once. */
import { type Context, type Duration, Effect, type Exit, Fiber } from "effect"

/** As `Effect.timeoutOrElse`: it waits for the effect that it cuts off to be interrupted. */
export const within = <A, E, R, A2, E2, R2>(
  self: Effect.Effect<A, E, R>,
  { duration, orElse }: { readonly duration: Duration.Duration; readonly orElse: () => Effect.Effect<A2, E2, R2> }
): Effect.Effect<A | A2, E | E2, R | R2> =>
  Effect.suspend(() => {
    let running: Fiber.Fiber<A, E> | undefined
    const ended = Effect.withFiber<Exit.Exit<A, E> | undefined>((fiber) => {
      running = Effect.runForkWith(fiber.context as Context.Context<R>)(self)
      const exit = running.pollUnsafe()
      return exit === undefined
        ? Effect.timeoutOrElse(Fiber.await(running), { duration, orElse: () => Effect.undefined })
        : Effect.succeed(exit)
    })
    return Effect.flatMap(
      // Around the start, because the effect itself may interrupt the fiber that started it.
      Effect.onExitPrimitive(
        ended,
        () => running === undefined || running.pollUnsafe() !== undefined ? undefined : Fiber.interrupt(running)
      ),
      (exit): Effect.Effect<A | A2, E | E2, R2> => exit ?? orElse()
    )
  })
