import { Effect, type Scope } from "effect"
import { Redis, type RedisOptions } from "ioredis"

/**
 * A client without handshake and second try: it adds no commands of its own, and prints nothing. It takes no
 * `replyMapping`, as the types of ioredis contradict each other there under `exactOptionalPropertyTypes`.
 */
export const connectTo = (options: Omit<RedisOptions, "replyMapping">): Effect.Effect<Redis, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      new Redis({
        host: "127.0.0.1",
        protocol: 2,
        enableReadyCheck: false,
        disableClientInfo: true,
        retryStrategy: null,
        ...options
      }).on("error", () => {})
    ),
    (redis) => Effect.sync(() => redis.disconnect())
  )
