/** Records as they lie in Redis, for tests that look into them. */
import { Effect } from "effect"
import type * as RedisServer from "./RedisServer.ts"

interface State {
  readonly state?: string
  readonly openUntil?: number
  readonly streak?: ReadonlyArray<readonly [at: number, by: string, failures: number]>
}

/** What the record of a key of the default prefix says; nothing if there is none. */
export const stateIn = ({ command }: RedisServer.RedisServer, record: string): Effect.Effect<State> =>
  Effect.orDie(
    Effect.map(command("HGET", record, "s"), (text): State => typeof text === "string" ? JSON.parse(text) : {})
  )

/** How many failures in a row a record has. */
export const failuresIn = (server: RedisServer.RedisServer, record: string): Effect.Effect<number> =>
  Effect.map(stateIn(server, record), ({ streak = [] }) => streak.reduce((sum, [, , failures]) => sum + failures, 0))
