// TS2554: Expected 3 arguments, but got 2.
import { Stream } from "effect"
import { FailoverRouter } from "effect-resilience"

export const parts = FailoverRouter.stream("chat", ({ name }) => Stream.make(name))
