import { CircuitStore } from "effect-resilience"
import { suite } from "./suites/CircuitStoreSuite.ts"

suite("memory", CircuitStore.layerMemory)
