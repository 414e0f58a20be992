/** What the store needs of a Redis client: to run a script on keys, to find keys, and to subscribe to a channel. */
import type { Effect, Scope, Stream } from "effect"
import type { StoreFault } from "../../RecordStore.ts"

export interface Script {
  readonly lua: string
  readonly sha1: string
}

export interface RedisPort {
  /** The client's own prefix of keys, and its database: what makes channels as distinct as keys are. */
  readonly keyPrefix: string
  /**
   * Runs a script on keys of one part, by its hash where the server knows it. Fails at once while there is no
   * connection, because an operation that waits in a queue would run after its caller has given it up.
   */
  readonly run: (
    script: Script,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<string>
  ) => Effect.Effect<unknown, StoreFault>
  /** Whether each key needs a command of its own, because keys may lie on different servers. */
  readonly isSpread: boolean
  /** The server that keeps a key. */
  readonly partOf: (key: string) => string
  /** The keys that match a pattern, on all servers. */
  readonly scan: (pattern: string) => Stream.Stream<string, StoreFault>
  /**
   * Subscribes to a channel. The outer effect ends when it is subscribed, the inner one fails when messages may have
   * been missed; the store then subscribes again.
   */
  readonly subscribe: (
    channel: string,
    onMessage: (message: string) => void
  ) => Effect.Effect<Effect.Effect<never, StoreFault>, StoreFault, Scope.Scope>
}
