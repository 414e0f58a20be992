/** A limit on the time of an effect, at the least cost where the effect ends at once. */
import { type Context, type Duration, Effect, Fiber, Option } from "effect"

/** As `Effect.timeoutOrElse`: it waits for the effect that it cuts off to be interrupted. Its runs must not overlap. */
export const within = <A, E, R, A2, E2, R2>(
  self: Effect.Effect<A, E, R>,
  { duration, orElse }: { readonly duration: Duration.Duration; readonly orElse: () => Effect.Effect<A2, E2, R2> }
): Effect.Effect<A | A2, E | E2, R | R2> => {
  let running: Fiber.Fiber<A, E> | undefined
  const ended = Effect.withFiber((fiber): Effect.Effect<A | A2, E | E2, R2> => {
    const started = running = Effect.runForkWith(fiber.context as Context.Context<R>)(self)
    return started.pollUnsafe() ??
      Effect.flatMap(
        Effect.timeoutOption(Fiber.await(started), duration),
        (exit): Effect.Effect<A | A2, E | E2, R2> =>
          Option.isSome(exit) ? exit.value : Effect.andThen(Fiber.interrupt(started), Effect.suspend(orElse))
      )
  })
  // Around the start, because the effect itself may interrupt the fiber that started it.
  return Effect.onExitPrimitive(
    ended,
    () => running === undefined || running.pollUnsafe() !== undefined ? undefined : Fiber.interrupt(running)
  )
}
