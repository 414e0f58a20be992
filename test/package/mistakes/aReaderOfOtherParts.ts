// TS2345: Type 'string' is not assignable to type '{ readonly done: boolean; }'.
import { Stream } from "effect"
import { CircuitBreaker, StreamSignal } from "effect-resilience"

const classifyPart = (part: { readonly done: boolean }) => part.done ? StreamSignal.content : StreamSignal.alive

export const parts = Stream.make("Hel", "lo").pipe(CircuitBreaker.stream({ key: "model", classifyPart }))
