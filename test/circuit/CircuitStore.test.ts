import { CircuitStore } from "effect-resilience"
import { suite } from "./CircuitStoreSuite.ts"

suite("memory", CircuitStore.layerMemory)
