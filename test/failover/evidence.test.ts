import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schedule, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitStore,
  Evidence,
  FailoverRoute,
  FailoverRouter,
  LlmStream,
  TripPolicy
} from "effect-resilience"

const chat = FailoverRoute.make("chat", { targets: ["us", "eu"] })

const Router = FailoverRouter.layer({
  routes: [chat],
  retry: () => Schedule.recurs(2)
}).pipe(
  Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(2) })),
  Layer.provide(CircuitStore.layerMemory)
)

const states = Effect.map(
  Effect.all([CircuitBreaker.state("chat/us"), CircuitBreaker.state("chat/eu")]),
  (states) => states.map(({ _tag }) => _tag)
)

const serverError = Effect.fail({ status: 500 })
const poison = (evidence?: Evidence.Evidence) =>
  Effect.exit(FailoverRouter.execute(chat, () => serverError, { evidence }))
const question = FailoverRouter.execute(chat, (target) => Effect.succeed(target.name))

describe("a request that fails at every target", () => {
  it.effect("is one piece of evidence, whatever its attempts: the next call is served by the primary", () =>
    Effect.gen(function*() {
      assert.isTrue(Exit.isFailure(yield* poison()))
      assert.deepStrictEqual(yield* states, ["Closed", "Closed"])
      assert.strictEqual(yield* question, "us")
    }).pipe(Effect.provide(Router)))

  it.effect("counts at the first target only, also as a stream", () =>
    Effect.gen(function*() {
      const stream = FailoverRouter.stream(chat, () => Stream.fail({ status: 500 }), { classifyPart: LlmStream.openAi })
      yield* Effect.exit(Stream.runDrain(stream))
      assert.deepStrictEqual(yield* states, ["Closed", "Closed"])
      yield* Effect.exit(Stream.runDrain(stream))
      assert.deepStrictEqual(yield* states, ["Open", "Closed"])
    }).pipe(Effect.provide(Router)))

  it.effect("that its caller sends again takes the route from nobody while others are served", () =>
    Effect.gen(function*() {
      yield* question
      const body = "a prompt that crashes servers"
      for (let sent = 0; sent < 5; sent++) yield* poison(Evidence.make({ request: body }))
      assert.deepStrictEqual(yield* states, ["Closed", "Closed"])
      assert.strictEqual(yield* question, "us")
    }).pipe(Effect.provide(Router)))

  it.effect("that Effect.retry sends again is recognised by the error of the route", () =>
    Effect.gen(function*() {
      yield* question
      yield* Effect.exit(Effect.retry(FailoverRouter.execute(chat, () => serverError), Schedule.recurs(4)))
      assert.deepStrictEqual(yield* states, ["Closed", "Closed"])
    }).pipe(Effect.provide(Router)))
})

it.effect("a target that is overloaded counts each call, wherever it was before", () =>
  Effect.gen(function*() {
    const call = FailoverRouter.execute(chat, (target) => Effect.fail({ status: target.name === "us" ? 500 : 503 }))
    yield* Effect.exit(call)
    assert.deepStrictEqual(yield* states, ["Closed", "Open"])
  }).pipe(Effect.provide(Router)))
