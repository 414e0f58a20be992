import { Layer } from "effect"
import { SharedCircuitStore } from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import { suite } from "../circuit/CircuitStoreSuite.ts"

import { TestClock } from "effect/testing"
const server = SimulatedRecordStore.make()
// Time passes between the calls of two processes, by which their order is known.
const converge = TestClock.adjust("1 millis")
const store = SharedCircuitStore.layer().pipe(Layer.provide(server.layer))

suite("shared", store, { converge })
suite("shared, a store for each breaker", store, { storeOfEach: store, converge })
