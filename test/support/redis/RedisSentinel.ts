/** A master, its replica, and the sentinel that promotes the replica when the master is gone. */
import { Effect, type Scope } from "effect"
import { eventually } from "../eventually.ts"
import * as RedisServer from "./RedisServer.ts"

/** - `failover`: kills the master. Done when the replica is one, whether the sentinel already tells or not. */
export interface RedisSentinel {
  readonly name: "mymaster"
  readonly sentinels: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly master: RedisServer.RedisServer
  readonly replica: RedisServer.RedisServer
  readonly failover: Effect.Effect<void>
}

export const make: Effect.Effect<RedisSentinel, never, Scope.Scope> = Effect.gen(function*() {
  const name = "mymaster"
  const master = yield* RedisServer.make()
  const replica = yield* RedisServer.make({ replicaOf: master.port })
  // A sentinel asks a master for its replicas when it meets it, and then not for ten seconds.
  yield* eventually(Effect.map(master.command("INFO", "replication"), (info) => String(info).includes("state=online")))

  const sentinel = yield* RedisServer.make({
    args: ["--sentinel"],
    config: [
      `sentinel monitor ${name} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${name} 500`,
      `sentinel failover-timeout ${name} 3000`
    ]
  })
  yield* eventually(
    Effect.map(sentinel.command("SENTINEL", "REPLICAS", name), (replicas) => (replicas as Array<unknown>).length === 1)
  )

  return {
    name,
    sentinels: [{ host: "127.0.0.1", port: sentinel.port }],
    master,
    replica,
    failover: Effect.andThen(
      master.kill,
      eventually(Effect.map(replica.command("ROLE"), (role) => (role as Array<unknown>)[0] === "master"))
    )
  }
})
