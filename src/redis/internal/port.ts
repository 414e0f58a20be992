/** What this store asks of a Redis client: to run one script on one key, and to listen to channels. */
import { Data, type Effect, type Scope } from "effect"

/**
 * Why an operation did not happen, by its code: the first word of the server's error (`READONLY`, `NOPERM`, `OOM`, …),
 * `CONNECTION` if there is none to the server, `TIMEOUT` if it did not answer in time, `REPLY` if the answer makes no
 * sense.
 */
export class RedisFault extends Data.TaggedError("RedisFault")<{ readonly code: string }> {}

export interface Script {
  readonly lua: string
  readonly sha1: string
}

export interface RedisPort {
  /** What tells the client's keys from those of other clients with the same names, and channels do not have. */
  readonly keyPrefix: string
  /**
   * Runs a script on one key, by its hash where the server knows it. Fails at once while there is no connection: an
   * operation that waits in a queue would be carried out when nobody wants it any more.
   */
  readonly run: (script: Script, key: string, args: ReadonlyArray<string>) => Effect.Effect<unknown, RedisFault>
  /**
   * Listens to channels. The outer effect ends when every channel is subscribed to, the inner one fails when messages
   * may have been missed; then it is time to subscribe again.
   */
  readonly subscribe: (
    channels: ReadonlyArray<string>,
    onMessage: (channel: string, message: string) => void
  ) => Effect.Effect<Effect.Effect<never, RedisFault>, RedisFault, Scope.Scope>
}
