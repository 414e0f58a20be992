/** What this store needs of a Redis client: to run a script on one key, and to subscribe to channels. */
import { Data, type Effect, type Scope } from "effect"

/**
 * Why an operation failed, as a code: the first word of the server's error (`READONLY`, `NOPERM`, `OOM`, …),
 * `CONNECTION` without a connection, `TIMEOUT` without an answer in time, `REPLY` for an answer that is malformed.
 */
export class RedisFault extends Data.TaggedError("RedisFault")<{ readonly code: string }> {}

export interface Script {
  readonly lua: string
  readonly sha1: string
}

export interface RedisPort {
  /** The client's own prefix of keys, and its database: what makes channels as distinct as keys are. */
  readonly keyPrefix: string
  /**
   * Runs a script on one key, by its hash where the server knows it. Fails at once while there is no connection,
   * because an operation that waits in a queue would run after its caller has given it up.
   */
  readonly run: (script: Script, key: string, args: ReadonlyArray<string>) => Effect.Effect<unknown, RedisFault>
  /**
   * Subscribes to channels. The outer effect ends when all are subscribed, the inner one fails when messages may have
   * been missed; the store then subscribes again.
   */
  readonly subscribe: (
    channels: ReadonlyArray<string>,
    onMessage: (channel: string, message: string) => void
  ) => Effect.Effect<Effect.Effect<never, RedisFault>, RedisFault, Scope.Scope>
}
