import { type Duration, Effect } from "effect"
import { RedisCircuitStore } from "effect-resilience/redis"
import { TestClock } from "effect/testing"
import { suite } from "../circuit/CircuitStoreSuite.ts"
import { sharedServer } from "../support/redis/sharedServer.ts"

const real = {
  advance: (duration: Duration.Input) => TestClock.withLive(Effect.sleep(duration)),
  converge: TestClock.withLive(Effect.sleep("20 millis"))
}

const { url } = await sharedServer()

// A slow machine must not turn the suite into one of the breaker without its store.
const store = (prefix: string) => RedisCircuitStore.layer({ url, prefix, operationTimeout: "5 seconds" })

suite("redis", store("one"), real)
suite("redis, a store for each breaker", store("each"), { ...real, storeOfEach: store("each") })
