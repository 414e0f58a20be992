// Fifty callers arrive together at the moment the open time ends: one is the probe, forty-nine are turned away.
// Run it: node examples/one-probe.ts
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { CircuitTest, ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

export const scenario = Effect.gen(function*() {
  const model = ScriptedCall.make([ScriptedCall.fails("503"), ScriptedCall.succeeds("hello", "1 second")])
  const ask = model.call.pipe(CircuitBreaker.execute({ key: "model" }))

  yield* Effect.flip(ask)
  yield* CircuitTest.adjustToProbe("model")
  const callers = yield* Effect.forkChild(
    Effect.all(Array.from({ length: 50 }, () => Effect.result(ask)), { concurrency: "unbounded" }),
    { startImmediately: true }
  )
  yield* TestClock.adjust("1 second")
  const results = yield* Fiber.join(callers)

  const answered = results.filter((result) => result._tag === "Success").length
  const rejected = results.filter((result) => result._tag === "Failure").length
  yield* Console.log(`${answered} answered, ${rejected} turned away`)
  return { answered, rejected, calls: yield* model.started }
}).pipe(Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) })))

export const program = scenario.pipe(Effect.provide(TestClock.layer()))

if (import.meta.main) NodeRuntime.runMain(program)
