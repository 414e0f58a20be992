import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { eventually } from "../eventually.ts"
import { connectTo } from "./connectTo.ts"
import * as RedisSentinel from "./RedisSentinel.ts"

describe("RedisSentinel", () => {
  it.live("promotes the replica, which has the data, and tells clients", () =>
    Effect.gen(function*() {
      const { failover, master, name, replica, sentinels } = yield* RedisSentinel.make
      yield* master.command("SET", "key", "value")
      yield* eventually(Effect.map(replica.command("GET", "key"), (value) => value === "value"))
      const current = Effect.gen(function*() {
        const client = yield* connectTo({ name, sentinels: [...sentinels] })
        const info = yield* Effect.tryPromise(() => client.info("server"))
        return Number(/tcp_port:(\d+)/.exec(info)?.[1])
      }).pipe(Effect.scoped)

      assert.strictEqual(yield* current, master.port)
      yield* failover
      assert.strictEqual(yield* replica.command("SET", "key", "other"), "OK")
      yield* eventually(Effect.map(current, (port) => port === replica.port))
    }))
})
