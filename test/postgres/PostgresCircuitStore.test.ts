import { type Duration, Effect } from "effect"
import { PostgresCircuitStore } from "effect-resilience/postgres"
import { TestClock } from "effect/testing"
import { suite } from "../circuit/CircuitStoreSuite.ts"
import { database } from "../support/postgres/database.ts"

const real = {
  advance: (duration: Duration.Input) => TestClock.withLive(Effect.sleep(duration)),
  converge: TestClock.withLive(Effect.sleep("20 millis"))
}

const { table, url } = await database()

// A slow machine must not turn the suite into one of the breaker without its store.
const store = (namespace: string) =>
  PostgresCircuitStore.layer({ url, table, namespace, operationTimeout: "5 seconds" })

suite("postgres", store("one"), real)
suite("postgres, a store for each breaker", store("each"), { ...real, storeOfEach: store("each") })
