/**
 * The port on Effect's own `Redis` service, whichever client is behind it.
 *
 * The service does not say whether there is a connection, nor whether a subscription was interrupted and resumed. A
 * client that queues commands while it is not connected does so here as well; with `NodeRedis`,
 * `disableOfflineQueue: true` makes it fail at once.
 */
import { Deferred, Effect, Queue, Stream } from "effect"
import { Redis } from "effect/persistence"
import { StoreFault } from "../../RecordStore.ts"
import { fault } from "./faultCode.ts"
import type { RedisPort, Script } from "./port.ts"

export const make: Effect.Effect<RedisPort, never, Redis.Redis> = Effect.map(Redis.Redis, (redis) => {
  const compile = (script: Script) =>
    redis.eval(
      Redis.script((keys: ReadonlyArray<string>, args: ReadonlyArray<string>) => [...keys, ...args], {
        lua: script.lua,
        numberOfKeys: ({ length }) => length
      }).withReturnType<unknown>()
    )
  // One descriptor for each script, because the service loads a script once for each descriptor.
  const compiled = new WeakMap<Script, ReturnType<typeof compile>>()

  const listen = Effect.fnUntraced(function*(
    channel: string,
    onMessage: (message: string) => void,
    lost: Deferred.Deferred<never, StoreFault>
  ) {
    const queue = yield* redis.subscribe(channel)
    yield* Queue.take(queue).pipe(
      Effect.map(({ message }) => onMessage(message)),
      Effect.forever,
      Effect.mapError(fault),
      Deferred.into(lost),
      // In a fiber of its own, because a failed subscription fails its queue and nothing else.
      Effect.forkScoped({ startImmediately: true })
    )
  })

  return {
    keyPrefix: "",
    // The service does not say whether its client is one of a Cluster, so that each key has a command of its own.
    isSpread: true,
    partOf: () => "",
    scan: (pattern) =>
      Stream.flattenIterable(Stream.unfold<string | undefined, ReadonlyArray<string>, StoreFault, never>(
        "0",
        (cursor) =>
          cursor === undefined
            ? Effect.undefined
            : Effect.map(
              Effect.mapError(redis.send<[string, ReadonlyArray<string>]>("SCAN", cursor, "MATCH", pattern), fault),
              ([next, keys]) => [keys, next === "0" ? undefined : next] as const
            )
      )),
    run: (script, keys, args) =>
      Effect.suspend(() => {
        let evaluate = compiled.get(script)
        if (evaluate === undefined) compiled.set(script, evaluate = compile(script))
        return Effect.mapError(evaluate(keys, args), fault)
      }),
    subscribe: Effect.fnUntraced(function*(channel, onMessage) {
      const lost = Deferred.makeUnsafe<never, StoreFault>()
      const listening = Deferred.makeUnsafe<void>()
      // In a fiber of its own, because a client that connects cannot be interrupted, and the store's scope must close.
      const fiber = yield* listen(channel, onMessage, lost).pipe(
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
          orElse: () => Effect.fail(new StoreFault({ code: "TIMEOUT" }))
        }),
        Effect.onError(() => stop),
        Effect.as(Deferred.await(lost))
      )
    })
  }
})
