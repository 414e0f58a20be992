/**
 * The port on Effect's own `Redis` service, whichever client is behind it.
 *
 * What the service does not tell, this port cannot know: whether there is a connection, and whether a subscription was
 * interrupted and taken up again. A client that queues commands while it is not connected does so here as well; with
 * `NodeRedis`, `disableOfflineQueue: true` makes it fail at once.
 */
import { Deferred, Effect, Queue } from "effect"
import { Redis } from "effect/persistence"
import { fault } from "./faultCode.ts"
import { RedisFault, type RedisPort, type Script } from "./port.ts"

export const make: Effect.Effect<RedisPort, never, Redis.Redis> = Effect.map(Redis.Redis, (redis) => {
  const compile = (script: Script) =>
    redis.eval(
      Redis.script((key: string, args: ReadonlyArray<string>) => [key, ...args], {
        lua: script.lua,
        numberOfKeys: 1
      }).withReturnType<unknown>()
    )
  // The service loads a script once for each descriptor it is given.
  const compiled = new WeakMap<Script, ReturnType<typeof compile>>()

  const listen = Effect.fnUntraced(function*(
    channels: ReadonlyArray<string>,
    onMessage: (channel: string, message: string) => void,
    lost: Deferred.Deferred<never, RedisFault>
  ) {
    for (const channel of channels) {
      const queue = yield* redis.subscribe(channel)
      yield* Queue.take(queue).pipe(
        Effect.map(({ channel, message }) => onMessage(channel, message)),
        Effect.forever,
        Effect.mapError(fault),
        Deferred.into(lost),
        // A subscription that has failed says so in its queue, and only there.
        Effect.forkScoped({ startImmediately: true })
      )
    }
  })

  return {
    keyPrefix: "",
    run: (script, key, args) =>
      Effect.suspend(() => {
        let evaluate = compiled.get(script)
        if (evaluate === undefined) compiled.set(script, evaluate = compile(script))
        return Effect.mapError(evaluate(key, args), fault)
      }),
    subscribe: Effect.fnUntraced(function*(channels, onMessage) {
      const lost = Deferred.makeUnsafe<never, RedisFault>()
      const listening = Deferred.makeUnsafe<void>()
      // Clients cannot be interrupted while they connect. In a fiber of its own, that keeps nobody waiting.
      const fiber = yield* listen(channels, onMessage, lost).pipe(
        Effect.andThen(Deferred.succeed(listening, undefined)),
        Effect.andThen(Deferred.await(lost)),
        Effect.scoped,
        Deferred.into(lost),
        Effect.forkDetach({ startImmediately: true })
      )
      const stop = Effect.sync(() => fiber.interruptUnsafe())
      yield* Effect.addFinalizer(() => stop)
      return yield* Effect.raceFirst(Deferred.await(lost), Deferred.await(listening)).pipe(
        Effect.timeoutOrElse({
          duration: "5 seconds",
          orElse: () => Effect.fail(new RedisFault({ code: "TIMEOUT" }))
        }),
        Effect.onError(() => stop),
        Effect.as(Deferred.await(lost))
      )
    })
  }
})
