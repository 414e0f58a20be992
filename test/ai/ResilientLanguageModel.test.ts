// Whole answers of a model over several.
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Schema, Stream, type Tracer } from "effect"
import {
  CircuitBreaker,
  type CircuitPolicy,
  CircuitPolicy as Policy,
  FailoverRouter,
  LlmRetry,
  TripPolicy
} from "effect-resilience"
import { GuardedLanguageModel, ResilientLanguageModel } from "effect-resilience/ai"
import { CircuitTest, RecordedEvents, ScriptedCall } from "effect-resilience/testing"
import { AiError, LanguageModel, Prompt, type Response, ResponseIdTracker } from "effect/ai"
import { TestClock } from "effect/testing"

const { circuitErrorOf, isRejection } = GuardedLanguageModel
const { failoverErrorOf, withCallOptions } = ResilientLanguageModel

type Answer = Array<Response.PartEncoded>
type Call = Effect.Effect<Answer, AiError.AiError>

const finish = (reason: Response.FinishReason = "stop"): Response.FinishPartEncoded => ({
  type: "finish",
  reason,
  usage: { inputTokens: {}, outputTokens: {} }
})
const says = (text: string): Answer => [{ type: "text", text }, finish()]
const failure = (reason: AiError.AiErrorReason) => AiError.make({ module: "Provider", method: "generateText", reason })
const overloaded = failure(new AiError.InternalProviderError({ description: "overloaded" }))
const refused = failure(new AiError.ContentPolicyError({ description: "no" }))
const unauthorized = failure(new AiError.AuthenticationError({ kind: "InvalidKey" }))

const us = ScriptedCall.succeeds(says("from us"))
const eu = ScriptedCall.succeeds(says("from eu"))

const model = (call: Call) =>
  Layer.effect(
    LanguageModel.LanguageModel,
    LanguageModel.make({ generateText: () => call, streamText: () => Stream.empty })
  )

type Options = Omit<Partial<ResilientLanguageModel.Options>, "targets"> & {
  readonly policy?: CircuitPolicy.CircuitPolicy
}

/** Two regions whose circuits open on the first failure. */
const regions = (first: Call, second: Call, { policy, ...options }: Options = {}) =>
  ResilientLanguageModel.layer({
    route: "chat",
    targets: [
      { name: "us", region: "us", model: model(first) },
      { name: "eu", region: "eu", model: model(second) }
    ],
    ...options
  }).pipe(
    Layer.provideMerge(CircuitTest.layer({
      tripPolicy: TripPolicy.consecutive(1),
      openDuration: "60 seconds",
      ...policy
    }))
  )

const ask = Effect.map(LanguageModel.generateText({ prompt: "a secret" }), ({ text }) => text)
const failed = Effect.map(Effect.flip(ask), (error) => {
  assert(AiError.isAiError(error))
  return error
})
const recorded = Effect.flatMap(RecordedEvents.RecordedEvents, ({ calls }) => calls)
const results = Effect.map(
  recorded,
  (calls) => calls.map(({ key, kind, result }) => [key, result, ...kind === undefined ? [] : [kind]].join(" "))
)
const active = Effect.map(FailoverRouter.activeTarget("chat"), ({ name }) => name)
const startImmediately = { startImmediately: true }

/** Lets everything happen that takes no time. */
const now = Effect.repeat(Effect.yieldNow, { times: 50 })

describe("generateText over several models", () => {
  it.effect("asks the first one, and nobody else", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask, "from us")
      assert.deepStrictEqual(yield* results, ["chat/us success"])
    }).pipe(Effect.provide(regions(Effect.succeed(says("from us")), Effect.die("bug")))))

  it.effect("goes on to the next one when that fails, and stays there", () => {
    const first = ScriptedCall.make([ScriptedCall.fails(overloaded)])
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask, "from eu")
      assert.strictEqual(yield* ask, "from eu")
      assert.strictEqual(yield* first.started, 1)
      assert.strictEqual(yield* active, "eu")
      assert.deepStrictEqual(yield* results, ["chat/us failure server_error", "chat/eu success", "chat/eu success"])
    }).pipe(Effect.provide(regions(first.call, Effect.succeed(says("from eu")))))
  })

  it.effect("goes on from an answer that reports a failure", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask, "from eu")
      assert.deepStrictEqual(yield* results, ["chat/us failure unknown", "chat/eu success"])
    }).pipe(Effect.provide(regions(Effect.succeed([finish("error")]), Effect.succeed(says("from eu"))))))

  it.effect("gives an answer that a filter cut short as it is", () =>
    Effect.gen(function*() {
      const { finishReason } = yield* LanguageModel.generateText({ prompt: "Hi" })
      assert.strictEqual(finishReason, "content-filter")
      assert.deepStrictEqual(yield* results, ["chat/us ignored content_policy"])
    }).pipe(Effect.provide(regions(Effect.succeed([finish("content-filter")]), Effect.die("bug")))))

  it.effect("gives a refusal to the caller as it is", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* failed, refused)
      assert.deepStrictEqual(yield* results, ["chat/us ignored content_policy"])
    }).pipe(Effect.provide(regions(Effect.fail(refused), Effect.die("bug")))))

  it.effect("gives the refusal of the only one that was really asked as it is", () =>
    Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/us")
      assert.strictEqual(yield* failed, refused)
    }).pipe(Effect.provide(regions(Effect.die("bug"), Effect.fail(refused)))))

  it.effect("asks each model for no longer than its own limit", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(ask, startImmediately)
      yield* now
      yield* TestClock.adjust("4 seconds")
      yield* now
      yield* TestClock.adjust("1 second")
      yield* now
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("7 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "from eu")
      assert.deepStrictEqual(yield* results, ["chat/us failure timeout", "chat/eu success"])
    }).pipe(Effect.provide(
      ResilientLanguageModel.layer({
        route: "chat",
        targets: [
          { name: "us", model: model(Effect.never), attemptTimeout: "5 seconds" },
          { name: "eu", model: model(Effect.delay(Effect.succeed(says("from eu")), "7 seconds")) }
        ],
        attemptTimeout: "8 seconds"
      }).pipe(Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) })))
    )))

  it.effect("asks a model again where no other one takes calls, if the route says so", () => {
    const first = ScriptedCall.make([ScriptedCall.fails(overloaded), us])
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/eu")
      const fiber = yield* Effect.forkChild(ask, startImmediately)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "from us")
    }).pipe(Effect.provide(regions(first.call, Effect.die("bug"), {
      retry: () => LlmRetry.policy({ attempts: 2, base: "1 second" }),
      policy: { tripPolicy: TripPolicy.consecutive(5) }
    })))
  })

  it.effect("ends with a caller who goes away, and asks nobody else", () => {
    let interrupted = 0
    const first = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(ask, startImmediately)
      yield* now
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(interrupted, 1)
      assert.deepStrictEqual(yield* results, ["chat/us interrupted cancelled"])
    }).pipe(Effect.provide(regions(first, Effect.die("bug"))))
  })

  it.effect("dies with the defect of a model, and asks nobody else", () =>
    Effect.gen(function*() {
      assert.isTrue(Exit.hasDies(yield* Effect.exit(ask)))
      assert.deepStrictEqual(yield* results, ["chat/us ignored caller_error"])
    }).pipe(Effect.provide(regions(Effect.die("bug"), Effect.succeed(says("from eu"))))))
})

describe("generateObject over several models", () => {
  const city = Effect.map(
    LanguageModel.generateObject({ prompt: "Where?", schema: Schema.Struct({ city: Schema.String }) }),
    ({ value }) => value.city
  )

  it.effect("goes on to the next one", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* city, "Oslo")
      assert.deepStrictEqual(yield* results, ["chat/us failure server_error", "chat/eu success"])
    }).pipe(Effect.provide(regions(Effect.fail(overloaded), Effect.succeed(says(`{"city":"Oslo"}`))))))

  it.effect("gives an object that is not the one asked for to the caller", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(city)
      assert(AiError.isAiError(error))
      assert.strictEqual(error.reason._tag, "StructuredOutputError")
      assert.deepStrictEqual(yield* results, ["chat/us ignored model_output"])
    }).pipe(Effect.provide(regions(Effect.succeed(says(`{"town":"Oslo"}`)), Effect.die("bug")))))
})

describe("a failure of all models", () => {
  it.effect("tells of every one and of no prompt, with the error of the first as its cause", () =>
    Effect.gen(function*() {
      // A call counts at the first model that fails it.
      yield* failed
      const error = yield* failed
      assert.strictEqual(
        error.message,
        "ResilientLanguageModel.generateText: no target of route \"chat\" served the call " +
          "(eu: server_error, us: open), retry after 1m"
      )
      assert.strictEqual(error.reason._tag, "RateLimitError")
      assert.isTrue(error.isRetryable)
      assert.deepStrictEqual(error.retryAfter, Duration.minutes(1))
      assert.strictEqual(failoverErrorOf(error)?.cause, overloaded)
      assert.isUndefined(circuitErrorOf(error))
      assert.isFalse(isRejection(error))
    }).pipe(Effect.provide(regions(Effect.fail(overloaded), Effect.fail(overloaded)))))

  it.effect("is a rejection when nobody was asked", () =>
    Effect.gen(function*() {
      yield* failed
      yield* failed
      yield* TestClock.adjust("20 seconds")
      const error = yield* failed
      assert.include(error.message, "(us: open, eu: open), retry after 40s")
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(40))
      assert.isTrue(isRejection(error))
      assert.strictEqual(circuitErrorOf(error)?.reason._tag, "CircuitOpen")
    }).pipe(Effect.provide(regions(Effect.fail(overloaded), Effect.fail(overloaded), { whenExhausted: "fail" }))))

  const reasonAfter = (self: Effect.Effect<unknown, never, CircuitBreaker.CircuitBreaker>) =>
    Effect.gen(function*() {
      yield* self
      const { isRetryable, reason, retryAfter } = yield* failed
      return [reason._tag, isRetryable, retryAfter]
    })

  it.effect("may pass by itself although nobody knows when", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* reasonAfter(Effect.void), ["InternalProviderError", true, undefined])
    }).pipe(Effect.provide(regions(Effect.fail(overloaded), Effect.fail(overloaded), {
      policy: { tripPolicy: TripPolicy.consecutive(5) }
    }))))

  it.effect("may last", () =>
    Effect.gen(function*() {
      const held = Effect.andThen(CircuitBreaker.forceOpen("chat/us"), CircuitBreaker.forceOpen("chat/eu"))
      assert.deepStrictEqual(yield* reasonAfter(Effect.void), ["UnknownError", false, undefined])
      assert.deepStrictEqual(yield* reasonAfter(held), ["UnknownError", false, undefined])
      assert.isTrue(isRejection(yield* failed))
    }).pipe(Effect.provide(regions(Effect.fail(unauthorized), Effect.fail(unauthorized)))))

  it.effect("is no reason to try again while a probe runs, or is it", () => {
    const probe = ScriptedCall.make([ScriptedCall.fails(overloaded), ScriptedCall.hangs])
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen("chat/eu")
      yield* failed
      yield* TestClock.adjust("60 seconds")
      yield* Effect.forkChild(ask, startImmediately)
      yield* now
      const error = yield* failed
      assert.include(error.message, "us: half_open, eu: forced_open")
      assert.deepStrictEqual([error.reason._tag, error.retryAfter], ["RateLimitError", undefined])
    }).pipe(Effect.provide(regions(probe.call, Effect.die("bug"))))
  })

  it.effect("is too late when the deadline has passed", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(failed, startImmediately)
      yield* now
      for (const time of ["5 seconds", "3 seconds"] as const) yield* Effect.andThen(TestClock.adjust(time), now)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(failoverErrorOf(error)?.reason._tag, "DeadlineExceeded")
      assert.deepStrictEqual([error.reason._tag, error.isRetryable], ["InternalProviderError", true])
    }).pipe(Effect.provide(regions(Effect.never, Effect.never, {
      attemptTimeout: "5 seconds",
      deadline: "8 seconds"
    }))))
})

describe("LlmRetry around a model over several", () => {
  const down = () => {
    const first = ScriptedCall.make([ScriptedCall.fails(overloaded), us])
    return { first, layer: regions(first.call, Effect.fail(overloaded), { whenExhausted: "fail" }) }
  }

  it.effect("burns no attempt while all circuits are open", () => {
    const { first, layer } = down()
    return Effect.gen(function*() {
      yield* failed
      yield* failed
      const error = yield* Effect.flip(Effect.retry(ask, LlmRetry.policy({ attempts: 10 })))
      assert.isTrue(isRejection(error))
      assert.strictEqual(yield* first.started, 1)
      assert.deepStrictEqual((yield* results).slice(4), ["chat/us rejected_open", "chat/eu rejected_open"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("waits for the first of them if the deadline leaves room", () => {
    const { layer } = down()
    return Effect.gen(function*() {
      yield* failed
      const fiber = yield* Effect.forkChild(
        Effect.retry(ask, LlmRetry.policy({ attempts: 2, deadline: "2 minutes" })),
        startImmediately
      )
      yield* TestClock.adjust("80 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "from us")
    }).pipe(Effect.provide(layer))
  })

  it.effect("waits as well when its own failure opened the last of them", () => {
    const { first, layer } = down()
    return Effect.gen(function*() {
      yield* failed
      const fiber = yield* Effect.forkChild(
        Effect.retry(ask, LlmRetry.policy({ attempts: 2, deadline: "2 minutes" })),
        startImmediately
      )
      yield* now
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* first.started, 1)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "from us")
    }).pipe(Effect.provide(layer))
  })

  it.effect("tries again while one of them takes calls", () => {
    const first = ScriptedCall.make([ScriptedCall.fails(overloaded), us])
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.retry(ask, LlmRetry.policy({ attempts: 2 })), startImmediately)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(fiber), "from us")
    }).pipe(Effect.provide(regions(first.call, Effect.fail(overloaded), {
      policy: { tripPolicy: TripPolicy.consecutive(5) }
    })))
  })
})

describe("the primary", () => {
  it.effect("is back when its circuit has closed", () => {
    const first = ScriptedCall.make([ScriptedCall.fails(overloaded), us])
    return Effect.gen(function*() {
      assert.deepStrictEqual([yield* ask, yield* active], ["from eu", "eu"])
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual([yield* ask, yield* active], ["from us", "us"])
    }).pipe(Effect.provide(regions(first.call, Effect.succeed(says("from eu")))))
  })

  it.effect("is probed in the background with its own model, at no user's expense", () => {
    const asked: Array<string> = []
    const named = (name: string, script: ReadonlyArray<ScriptedCall.Step<Answer, AiError.AiError>>) => {
      const { call } = ScriptedCall.make(script)
      return Effect.andThen(Effect.sync(() => asked.push(name)), call)
    }
    return Effect.gen(function*() {
      assert.strictEqual(yield* ask, "from eu")
      yield* TestClock.adjust("60 seconds")
      yield* now
      assert.strictEqual(yield* active, "us")
      assert.deepStrictEqual(asked, ["us", "eu", "us", "eu"])
    }).pipe(Effect.provide(regions(
      named("us", [ScriptedCall.fails(overloaded), us]),
      named("eu", [eu]),
      {
        healthProbe: () => Effect.as(LanguageModel.generateText({ prompt: "ping" }), true),
        healthProbeInterval: "1 hour"
      }
    )))
  })
})

describe("the options of a call", () => {
  const both = regions(Effect.succeed(says("from us")), Effect.succeed(says("from eu")))

  it.effect("keep it within a fence", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* ask.pipe(withCallOptions({ allow: { regions: ["eu"] } })), "from eu")
      assert.strictEqual(yield* withCallOptions(ask, { allow: { targets: ["eu"] } }), "from eu")
      assert.strictEqual(yield* ask, "from us")
    }).pipe(Effect.provide(both)))

  it.effect("never let it out of the fence around another fence", () =>
    Effect.gen(function*() {
      const error = yield* failed.pipe(
        withCallOptions({ allow: { targets: ["us"] } }),
        withCallOptions({ allow: { regions: ["eu"] } })
      )
      assert.strictEqual(failoverErrorOf(error)?.reason._tag, "NoTargetAllowed")
      assert.deepStrictEqual([error.reason._tag, error.isRetryable], ["UnknownError", false])
      const narrowed = ask.pipe(
        withCallOptions({ stickyKey: "a" }),
        withCallOptions({ allow: { regions: ["eu"] } })
      )
      assert.strictEqual(yield* narrowed, "from eu")
    }).pipe(Effect.provide(both)))

  it.effect("keep calls of one key at one model", () =>
    Effect.gen(function*() {
      const answers = (stickyKey: string) =>
        Effect.map(
          Effect.replicateEffect(withCallOptions(ask, { stickyKey }), 8),
          (answers) => new Set(answers)
        )
      const sticky = yield* Effect.forEach(Array.from({ length: 20 }, (_, index) => `user ${index}`), answers)
      assert.isTrue(sticky.every(({ size }) => size === 1))
      assert.strictEqual(new Set(sticky.flatMap((answers) => Array.from(answers))).size, 2)
    }).pipe(Effect.provide(
      ResilientLanguageModel.layer({
        route: "chat",
        targets: [
          { name: "us", tier: 1, model: model(Effect.succeed(says("from us"))) },
          { name: "eu", tier: 1, model: model(Effect.succeed(says("from eu"))) }
        ]
      }).pipe(Layer.provide(CircuitTest.layer()))
    )))

  it.effect("give it a deadline", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(withCallOptions(failed, { deadline: "2 seconds" }), startImmediately)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(failoverErrorOf(yield* Fiber.join(fiber))?.reason._tag, "DeadlineExceeded")
    }).pipe(Effect.provide(regions(Effect.never, Effect.never))))

  it.effect("are checked", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(withCallOptions(ask, { deadline: -1 }))
      assert.instanceOf(defectOf(exit), Policy.InvalidOptions)
    }).pipe(Effect.provide(both)))
})

const defectOf = (exit: Exit.Exit<unknown, unknown>) => {
  assert(Exit.isFailure(exit))
  const [reason] = exit.cause.reasons
  assert(reason?._tag === "Die")
  return reason.defect
}

describe("the layer", () => {
  for (
    const [name, targets] of [
      ["no targets", []],
      ["two targets of one name", ["us", "us"]],
      ["a target without a name", [" "]]
    ] as const
  ) {
    it.effect(`dies with ${name}, before a model is built`, () => {
      let built = 0
      const counted = Layer.unwrap(Effect.sync(() => {
        built++
        return model(Effect.succeed([]))
      }))
      return Effect.gen(function*() {
        const exit = yield* Effect.exit(Layer.build(ResilientLanguageModel.layer({
          route: "chat",
          targets: targets.map((name) => ({ name, model: counted }))
        })))
        assert.instanceOf(defectOf(exit), Policy.InvalidOptions)
        assert.strictEqual(built, 0)
      }).pipe(Effect.provide(CircuitTest.layer()))
    })
  }

  it.effect("builds each model once, on its own, and releases it at its end", () => {
    class Client extends Context.Service<Client, string>()("Client") {}
    const log: Array<string> = []
    const OneLayer = Layer.effect(
      LanguageModel.LanguageModel,
      Effect.gen(function*() {
        const name = yield* Client
        yield* Effect.acquireRelease(
          Effect.sync(() => log.push(`+${name}`)),
          () => Effect.sync(() => log.push(`-${name}`))
        )
        return yield* LanguageModel.make({
          generateText: () => Effect.succeed(says(`from ${name}`)),
          streamText: () => Stream.empty
        })
      })
    )
    const twice = ResilientLanguageModel.layer({
      route: "chat",
      targets: ["us", "eu"].map((name) => ({ name, model: OneLayer.pipe(Layer.provide(Layer.succeed(Client, name))) }))
    })
    return Effect.gen(function*() {
      const answers = Effect.all([ask, withCallOptions(ask, { allow: { targets: ["eu"] } })])
      const elsewhere = OneLayer.pipe(Layer.provide(Layer.succeed(Client, "asia")))
      assert.deepStrictEqual(
        yield* Effect.provide(answers, Layer.provideMerge(twice, elsewhere)),
        ["from us", "from eu"]
      )
      assert.sameMembers(log, ["+asia", "+us", "+eu", "-us", "-eu", "-asia"])
    }).pipe(Effect.provide(CircuitTest.layer()))
  })

  it.effect("needs what its models need, and fails as they do", () => {
    class Key extends Context.Service<Key, string>()("Key") {}
    class Region extends Context.Service<Region, string>()("Region") {}
    class Ping extends Context.Service<Ping, boolean>()("Ping") {}
    class NoKey extends Schema.TaggedError<NoKey>()("NoKey", {}) {}
    class NoRegion extends Schema.TaggedError<NoRegion>()("NoRegion", {}) {}
    const first = Layer.unwrap(Effect.gen(function*() {
      return (yield* Key) === "" ? yield* new NoKey() : model(Effect.succeed([]))
    }))
    const second = Layer.unwrap(Effect.gen(function*() {
      return (yield* Region) === "" ? yield* new NoRegion() : model(Effect.succeed([]))
    }))
    const layer: Layer.Layer<
      LanguageModel.LanguageModel | FailoverRouter.FailoverRouter,
      NoKey | NoRegion,
      Key | Region | Ping | CircuitBreaker.CircuitBreaker
    > = ResilientLanguageModel.layer({
      route: "chat",
      targets: [{ name: "us", model: first }, { name: "eu", model: second }],
      healthProbe: () => Effect.andThen(LanguageModel.generateText({ prompt: "ping" }), Ping)
    })
    return Effect.gen(function*() {
      assert.instanceOf(yield* Effect.flip(Layer.build(layer)), NoRegion)
    }).pipe(
      Effect.provideService(Key, "key"),
      Effect.provideService(Region, ""),
      Effect.provideService(Ping, true),
      Effect.provide(CircuitTest.layer())
    )
  })

  it.effect("knows of system messages in the history what all models know", () => {
    const supported = (...support: ReadonlyArray<boolean | undefined>) =>
      Effect.gen(function*() {
        const context = yield* Layer.build(ResilientLanguageModel.layer({
          route: "chat",
          targets: support.map((supports, index) => ({
            name: `${index}`,
            model: Layer.effect(
              LanguageModel.LanguageModel,
              LanguageModel.make({
                generateText: () => Effect.succeed([]),
                streamText: () => Stream.empty,
                supportsSystemMessagesInHistory: supports === undefined ? undefined : Effect.succeed(supports)
              })
            )
          }))
        }))
        const { supportsSystemMessagesInHistory } = Context.get(context, LanguageModel.LanguageModel)
        return supportsSystemMessagesInHistory && (yield* supportsSystemMessagesInHistory)
      })
    return Effect.gen(function*() {
      assert.isTrue(yield* supported(true, true))
      assert.isFalse(yield* supported(true, false))
      assert.isUndefined(yield* supported(true, undefined))
    }).pipe(Effect.provide(CircuitTest.layer()))
  })

  it.effect("tells the span of the caller who was asked last", () =>
    Effect.gen(function*() {
      yield* ask
      const span = yield* Effect.currentSpan
      assert.strictEqual(span.attributes.get("failover.target"), "eu")
      assert.strictEqual(span.attributes.get("failover.route"), "chat")
      assert.deepStrictEqual(
        (span as Tracer.NativeSpan).events.map(([name]) => name).filter((name) => name === "failover"),
        ["failover"]
      )
    }).pipe(
      Effect.withSpan("caller"),
      Effect.provide(regions(Effect.fail(overloaded), Effect.succeed(says("from eu"))))
    ))
})

describe("a response id of an earlier answer", () => {
  /** A provider that remembers its answers by these ids, and refuses others. */
  const remembering = (asked: Array<string | undefined>, known: ReadonlyArray<string>, answers: Call) =>
    Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({
        streamText: ({ previousResponseId }) => {
          asked.push(previousResponseId)
          return Stream.unwrap(Effect.map(answers, (parts) =>
            Stream.fromIterable(parts.map((part) =>
              part.type === "text" ? { type: "text-delta" as const, id: "text", delta: part.text } : part
            ) as Array<Response.StreamPartEncoded>)))
        },
        generateText: ({ previousResponseId }) => {
          asked.push(previousResponseId)
          return previousResponseId === undefined || known.includes(previousResponseId)
            ? answers
            : Effect.fail(failure(new AiError.InvalidRequestError({ description: "no such response" })))
        }
      })
    )
  const first = Prompt.make("Hi")
  const second = Prompt.fromMessages([
    ...first.content,
    ...Prompt.make([{ role: "assistant", content: "hello" }, { role: "user", content: "And now?" }]).content
  ])
  const metadata = (id: string): Response.PartEncoded => ({ type: "response-metadata", id })
  const turn = (prompt: Prompt.Prompt) => LanguageModel.generateText({ prompt })

  const conversation = (known: ReadonlyArray<string>) => {
    const asked = { us: [] as Array<string | undefined>, eu: [] as Array<string | undefined> }
    const script = ScriptedCall.make([
      ScriptedCall.succeeds([metadata("r1"), ...says("hello")]),
      ScriptedCall.fails(overloaded),
      us
    ])
    const layer = ResilientLanguageModel.layer({
      route: "chat",
      targets: [
        { name: "us", model: remembering(asked.us, known, script.call) },
        { name: "eu", model: remembering(asked.eu, [], Effect.succeed([metadata("r2"), ...says("from eu")])) }
      ]
    }).pipe(Layer.provideMerge(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) })))
    return { asked, layer }
  }

  it.effect("is for the model that gave it; another one gets the whole prompt", () => {
    const { asked, layer } = conversation(["r1"])
    return Effect.gen(function*() {
      yield* turn(first)
      assert.strictEqual((yield* turn(second)).text, "from eu")
      assert.deepStrictEqual(asked, { us: [undefined, "r1"], eu: [undefined] })
      assert.deepStrictEqual(yield* results, ["chat/us success", "chat/us failure server_error", "chat/eu success"])
    }).pipe(
      Effect.provideServiceEffect(ResponseIdTracker.ResponseIdTracker, ResponseIdTracker.make),
      Effect.provide(layer)
    )
  })

  it.effect("is for the model that gave it in streams, too", () => {
    const { asked, layer } = conversation(["r1"])
    return Effect.gen(function*() {
      for (const prompt of [first, second]) yield* Stream.runDrain(LanguageModel.streamText({ prompt }))
      assert.deepStrictEqual(asked, { us: [undefined, "r1"], eu: [undefined] })
    }).pipe(
      Effect.provideServiceEffect(ResponseIdTracker.ResponseIdTracker, ResponseIdTracker.make),
      Effect.provide(layer)
    )
  })

  it.effect("that it has forgotten is asked about a second time, in the same attempt", () => {
    const { asked, layer } = conversation([])
    return Effect.gen(function*() {
      yield* turn(first)
      assert.strictEqual((yield* turn(second)).text, "from eu")
      assert.deepStrictEqual(asked, { us: [undefined, "r1", undefined], eu: [undefined] })
      assert.deepStrictEqual(yield* results, ["chat/us success", "chat/us failure server_error", "chat/eu success"])
    }).pipe(
      Effect.provideServiceEffect(ResponseIdTracker.ResponseIdTracker, ResponseIdTracker.make),
      Effect.provide(layer)
    )
  })
})
