// A caller hangs up while its call is the probe: the slot is free at once and nothing is counted.
// Run it: node examples/interrupted-probe.ts
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber } from "effect"
import { CircuitBreaker, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

export const scenario = Effect.gen(function*() {
  const model = ScriptedCall.make([ScriptedCall.fails("503"), ScriptedCall.hangs, ScriptedCall.succeeds("hello")])
  const ask = model.call.pipe(CircuitBreaker.execute({ key: "model" }))

  yield* Effect.flip(ask)
  yield* CircuitTest.adjustToProbe("model")
  const probe = yield* Effect.forkChild(ask, { startImmediately: true })
  yield* Fiber.interrupt(probe)
  const between = yield* CircuitBreaker.state("model")
  const answer = yield* ask

  const probes = yield* (yield* RecordedEvents.RecordedEvents).of("circuit.probe")
  yield* Console.log(`probes: ${probes.map(({ result }) => result).join(", ")}; answered: ${answer}`)
  return { between, answer, probes: probes.map(({ result }) => result) }
}).pipe(Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) })))

export const program = scenario.pipe(Effect.provide(TestClock.layer()))

if (import.meta.main) NodeRuntime.runMain(program)
