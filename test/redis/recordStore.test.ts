/** The suite for stores of records over a real Redis, by both clients. */
import { NodeRedis } from "@effect/platform-node"
import { describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Logger, Scope } from "effect"
import { RecordStoreSuite } from "effect-resilience/testing"
import { afterAll, beforeAll } from "vitest"
import * as effectRedisPort from "../../src/redis/internal/effectRedisPort.ts"
import * as ioredisPort from "../../src/redis/internal/ioredisPort.ts"
import type { RedisPort } from "../../src/redis/internal/port.ts"
import * as redisRecordStore from "../../src/redis/internal/redisRecordStore.ts"
import { script } from "../../src/redis/internal/script.ts"
import { eventually } from "../support/eventually.ts"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"

const ping = script("return 'PONG'")

const onIoredis = (url: string) => Effect.flatMap(ioredisPort.connect({ url }), ioredisPort.make)

const onNodeRedis = (url: string) =>
  Layer.build(NodeRedis.layer({ url, disableOfflineQueue: true })).pipe(
    Effect.provide(Logger.layer([])),
    Effect.orDie,
    Effect.flatMap((services) => Effect.provide(effectRedisPort.make, services))
  )

const scope = Scope.makeUnsafe()
const proxies: Array<TcpProxy.TcpProxy> = []
beforeAll(() =>
  Effect.runPromise(Scope.provide(
    Effect.gen(function*() {
      const { port } = yield* RedisServer.make()
      for (let count = 0; count < 2; count++) proxies.push(yield* TcpProxy.make(port))
    }),
    scope
  ))
)
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const suite = (
  index: number,
  open: (url: string) => Effect.Effect<RedisPort, never, Scope.Scope>,
  hooks: (proxy: () => TcpProxy.TcpProxy) => Partial<RecordStoreSuite.Options>
) => {
  const proxy = () => proxies[index]!
  const during = (fault: () => Effect.Effect<void>) =>
    Effect.acquireRelease(Effect.suspend(fault), () => Effect.suspend(() => proxy().restore))
  const checks = RecordStoreSuite.checks({
    connect: Effect.suspend(() => open(`redis://127.0.0.1:${proxy().port}`)).pipe(
      Effect.tap((port) => eventually(Effect.as(port.run(ping, ["{ready}"], []), true))),
      Effect.map((port) => redisRecordStore.make(port, `suite${index}`))
    ),
    loseAnswers: during(() => proxy().cutMidReply),
    ...hooks(proxy)
  })
  for (const { check, name } of checks) it.live(name, () => check)
}

describe("records in Redis by ioredis", () => {
  suite(0, onIoredis, (proxy) => ({
    cut: Effect.suspend(() => proxy().cut),
    unreachable: Effect.acquireRelease(
      Effect.suspend(() => proxy().refuse),
      () => Effect.suspend(() => proxy().restore)
    )
  }))
})

// Without a cut: this client reconnects its subscriptions in silence, as `RedisCircuitStore.layerRedis` says.
describe("records in Redis by Effect's Redis service", () => {
  suite(1, onNodeRedis, (proxy) => ({
    unreachable: Effect.acquireRelease(
      Effect.suspend(() => proxy().silence),
      () => Effect.suspend(() => proxy().restore)
    )
  }))
})
