/** A Redis cluster of a test's own, masters only, formed without redis-cli. */
import { Effect, type Scope } from "effect"
import { eventually } from "../eventually.ts"
import * as RedisServer from "./RedisServer.ts"

/**
 * - `slotOwner`: the index in `servers` of the master of a key, as the first server knows it.
 * - `moveSlot`: moves the slot of a key, with all its keys, as a resharding does. Done when every server knows.
 */
export interface RedisCluster {
  readonly servers: ReadonlyArray<RedisServer.RedisServer>
  readonly nodes: ReadonlyArray<{ readonly host: string; readonly port: number }>
  readonly slotOwner: (key: string) => Effect.Effect<number>
  readonly moveSlot: (key: string, toIndex: number) => Effect.Effect<void>
}

export const make = (masters = 3): Effect.Effect<RedisCluster, never, Scope.Scope> =>
  Effect.gen(function*() {
    const server = RedisServer.make({ args: ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"] })
    const servers = yield* Effect.all(Array.from({ length: masters }, () => server), { concurrency: "unbounded" })
    yield* Effect.orDie(form(servers))
    const slotOwner = (key: string) => Effect.flatMap(slotOf(servers, key), (slot) => ownerOf(servers, slot))
    return {
      servers,
      nodes: servers.map(({ port }) => ({ host: "127.0.0.1", port })),
      slotOwner: (key) => Effect.orDie(slotOwner(key)),
      moveSlot: (key, toIndex) => Effect.orDie(moveSlot(servers, key, toIndex))
    }
  })

type Servers = ReadonlyArray<RedisServer.RedisServer>

const form = Effect.fnUntraced(function*(servers: Servers) {
  const slots = Array.from({ length: 16_384 }, (_, slot) => slot)
  const share = Math.ceil(slots.length / servers.length)
  for (const [index, { command, port }] of servers.entries()) {
    // Epochs of their own spare the masters an argument about them.
    yield* command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
    // Not ADDSLOTSRANGE, which came with Redis 7.
    yield* command("CLUSTER", "ADDSLOTS", ...slots.slice(index * share, (index + 1) * share))
    if (index > 0) yield* servers[0]!.command("CLUSTER", "MEET", "127.0.0.1", port)
  }
  const signs = ["cluster_state:ok", `cluster_known_nodes:${servers.length}`]
  yield* eventually(
    Effect.map(
      Effect.forEach(servers, ({ command }) => command("CLUSTER", "INFO")),
      (infos) => infos.every((info) => signs.every((sign) => String(info).includes(sign)))
    )
  )
})

const slotOf = ([first]: Servers, key: string) => Effect.map(first!.command("CLUSTER", "KEYSLOT", key), Number)

const ownerOf = (servers: Servers, slot: number) =>
  Effect.map(servers[0]!.command("CLUSTER", "SLOTS"), (reply) => {
    const ranges = reply as ReadonlyArray<[from: number, to: number, master: [host: string, port: number]]>
    const range = ranges.find(([from, to]) => from <= slot && slot <= to)
    return servers.findIndex(({ port }) => port === range?.[2][1])
  })

const moveSlot = Effect.fnUntraced(function*(servers: Servers, key: string, toIndex: number) {
  const slot = yield* slotOf(servers, key)
  const from = servers[yield* ownerOf(servers, slot)]!
  const to = servers[toIndex]!
  if (from === to) return
  const idOf = ({ command }: RedisServer.RedisServer) => Effect.map(command("CLUSTER", "MYID"), String)
  const toId = yield* idOf(to)

  yield* to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", yield* idOf(from))
  // From here on the old owner gets no new keys.
  yield* from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", toId)
  const count = Number(yield* from.command("CLUSTER", "COUNTKEYSINSLOT", slot))
  if (count > 0) {
    const keys = (yield* from.command("CLUSTER", "GETKEYSINSLOT", slot, count)) as ReadonlyArray<string>
    yield* from.command("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", ...keys)
  }
  // The new owner first, or the slot is nobody's for a moment.
  for (const { command } of new Set([to, from, ...servers])) yield* command("CLUSTER", "SETSLOT", slot, "NODE", toId)
})
