import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Cluster } from "ioredis"
import * as RedisCluster from "./RedisCluster.ts"

const client = (nodes: RedisCluster.RedisCluster["nodes"]) =>
  Effect.acquireRelease(
    Effect.sync(() => new Cluster([...nodes]).on("error", () => {})),
    (cluster) => Effect.sync(() => cluster.disconnect())
  )

describe("RedisCluster", () => {
  it.live("serves keys of all its masters, and moves a slot with its keys", () =>
    Effect.gen(function*() {
      const { moveSlot, nodes, servers, slotOwner } = yield* RedisCluster.make()
      const cluster = yield* client(nodes)
      const keys = Array.from({ length: 20 }, (_, index) => `key${index}`)
      yield* Effect.promise(() => Promise.all(keys.map((key) => cluster.set(key, key))))
      const owners = yield* Effect.forEach(keys, slotOwner)
      assert.deepStrictEqual(new Set(owners), new Set([0, 1, 2]))

      const key = "{key0}"
      yield* Effect.promise(() => cluster.set(key, "braces"))
      const from = yield* slotOwner(key)
      assert.strictEqual(from, owners[0])
      for (const to of [(from + 1) % 3, (from + 2) % 3, (from + 2) % 3]) {
        yield* moveSlot(key, to)
        assert.strictEqual(yield* slotOwner(key), to)
        for (const [name, value] of [[key, "braces"], ["key0", "key0"]] as const) {
          assert.strictEqual(yield* servers[to]!.command("GET", name), value)
          assert.strictEqual(yield* Effect.promise(() => cluster.get(name)), value)
        }
        const { message } = yield* Effect.flip(servers[from]!.command("GET", key))
        assert.match(message, new RegExp(`^MOVED \\d+ 127.0.0.1:${nodes[to]!.port}`))
      }
    }))
})
