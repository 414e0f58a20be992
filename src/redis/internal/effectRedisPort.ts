/**
 * The port on Effect's own `Redis` service, whichever client is behind it.
 *
 * The service does not say whether there is a connection, nor whether a subscription was interrupted and resumed. A
 * client that queues commands while it is not connected does so here as well; with `NodeRedis`,
 * `disableOfflineQueue: true` makes it fail at once.
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
  // One descriptor for each script, because the service loads a script once for each descriptor.
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
        // In a fiber of its own, because a failed subscription fails its queue and nothing else.
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
      // In a fiber of its own, because a client that connects cannot be interrupted, and the store's scope must close.
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
