// TS2367: This comparison appears to be unintentional because the types
import { type CircuitEvent } from "effect-resilience"

export const isOpening = ({ event }: CircuitEvent.CircuitEvent): boolean => event === "circuit.open"
