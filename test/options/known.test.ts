import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Redacted, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitMetrics,
  CircuitObserver,
  CircuitPolicy,
  CircuitStore,
  Evidence,
  FailoverRoute,
  FailoverRouter,
  LlmOutcome,
  LlmRetry,
  RetryBudget,
  StreamSignal,
  TripPolicy
} from "effect-resilience"
import { GuardedEmbeddingModel, GuardedLanguageModel, ResilientLanguageModel } from "effect-resilience/ai"
import { CircuitConsole } from "effect-resilience/console"
import { GuardedHttpClient } from "effect-resilience/http"
import { RedisCircuitStore } from "effect-resilience/redis"
import { EmbeddingModel, LanguageModel } from "effect/ai"
import { HttpClient, HttpRouter } from "effect/http"

const Breaker = CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemory))

const Model = Layer.effect(
  LanguageModel.LanguageModel,
  LanguageModel.make({ generateText: () => Effect.succeed([]), streamText: () => Stream.empty })
)
const Embeddings = Layer.effect(
  EmbeddingModel.EmbeddingModel,
  EmbeddingModel.make({ embedMany: () => Effect.succeed({ results: [], usage: { inputTokens: undefined } }) })
)
const chat = FailoverRoute.make("chat", { targets: ["us"] })
const Client = Layer.succeed(HttpClient.HttpClient, HttpClient.make(() => Effect.never))

const refusalOf = (self: Effect.Effect<unknown, unknown>) =>
  Effect.map(Effect.exit(self), (exit) => {
    assert(Exit.isFailure(exit), "was accepted")
    const [defect] = exit.cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
    assert(defect instanceof CircuitPolicy.InvalidOptions, String(exit))
    return defect.message
  })

/** Options for one door each, as JavaScript would give them. */
const build = (layer: Layer.Layer<never, unknown> | Layer.Layer<CircuitBreaker.CircuitBreaker, unknown>) =>
  Effect.scoped(Layer.build(layer as Layer.Layer<never, unknown>))
const onBreaker = <A>(layer: Layer.Layer<A, unknown, CircuitBreaker.CircuitBreaker>) =>
  Effect.scoped(Layer.build(Layer.provide(layer, Breaker)))
const steered = <A>(order: Effect.Effect<A, never, CircuitBreaker.CircuitBreaker>) => Effect.provide(order, Breaker)

const policy = (options: object) => build(CircuitBreaker.layer(options).pipe(Layer.provide(CircuitStore.layerMemory)))
const doors: Readonly<Record<string, (options: never) => Effect.Effect<unknown, unknown>>> = {
  "CircuitBreaker.layer": policy,
  "a policy of a function": (options) =>
    Effect.void.pipe(
      CircuitBreaker.execute({ key: "model" }),
      Effect.provide(CircuitBreaker.layer(() => options).pipe(Layer.provide(CircuitStore.layerMemory)))
    ),
  "TripPolicy.failureRate": (options) => policy({ tripPolicy: TripPolicy.failureRate(options) }),
  "TripPolicy.slowCallRate": (options) => policy({ tripPolicy: TripPolicy.slowCallRate(options) }),
  "TripPolicy.adaptive": (options) => policy({ tripPolicy: TripPolicy.adaptive(options) }),
  "TripPolicy.fromData": (options) => policy({ tripPolicy: TripPolicy.fromData(options) }),
  "TripPolicy.anyOf": (options) =>
    policy({ tripPolicy: TripPolicy.anyOf(TripPolicy.consecutive(1), TripPolicy.adaptive(options)) }),
  "CircuitStore.layerMemoryWith": (options) =>
    build(CircuitBreaker.layer().pipe(Layer.provide(CircuitStore.layerMemoryWith(options)))),
  "CircuitBreaker.forceOpen": (options) => steered(CircuitBreaker.forceOpen("model", options)),
  "CircuitBreaker.reset": (options) => steered(CircuitBreaker.reset("model", options)),
  "CircuitBreaker.disable": (options) => steered(CircuitBreaker.disable("model", options)),
  "CircuitBreaker.enable": (options) => steered(CircuitBreaker.enable("model", options)),
  "CircuitObserver.layer": (options) => onBreaker(CircuitObserver.layer(options)),
  "CircuitMetrics.layerWith": (options) => onBreaker(CircuitMetrics.layerWith(options)),
  "Evidence.make": (options) => Effect.sync(() => Evidence.make(options)),
  "the evidence of a call": (options) =>
    Effect.void.pipe(CircuitBreaker.execute({ key: "model", evidence: options }), Effect.provide(Breaker)),
  "the evidence of a routed call": (options) =>
    FailoverRouter.execute("chat", () => Effect.void, { evidence: options }).pipe(
      Effect.provide(FailoverRouter.layer({ routes: [chat] }).pipe(Layer.provide(Breaker)))
    ),
  "LlmOutcome.make": (options) => Effect.sync(() => LlmOutcome.make(options)),
  "LlmRetry.policy": (options) => Effect.sync(() => LlmRetry.policy(options)),
  "RetryBudget.layer": (options) => build(RetryBudget.layer(options)),
  "FailoverRouter.layer": (options) => onBreaker(FailoverRouter.layer(options)),
  "FailoverRouter.execute": (options) =>
    FailoverRouter.execute("chat", () => Effect.void, options).pipe(
      Effect.provide(FailoverRouter.layer({ routes: [chat] }).pipe(Layer.provide(Breaker)))
    ),
  "GuardedHttpClient.layer": (options) => onBreaker(GuardedHttpClient.layer(options).pipe(Layer.provide(Client))),
  "GuardedLanguageModel.layer": (options) => onBreaker(GuardedLanguageModel.layer(options).pipe(Layer.provide(Model))),
  "GuardedEmbeddingModel.layer": (options) =>
    onBreaker(GuardedEmbeddingModel.layer(options).pipe(Layer.provide(Embeddings))),
  "ResilientLanguageModel.layer": (options) =>
    onBreaker(
      ResilientLanguageModel.layer(options) as Layer.Layer<unknown, unknown, CircuitBreaker.CircuitBreaker>
    ),
  "CircuitConsole.layer": (options) => onBreaker(CircuitConsole.layer(options).pipe(Layer.provide(HttpRouter.layer))),
  "RedisCircuitStore.layer": (options) =>
    build(CircuitBreaker.layer().pipe(Layer.provide(RedisCircuitStore.layer(options))))
}

const refuses = (
  cases: ReadonlyArray<readonly [door: string, options: unknown, message: string]>,
  title: string
) =>
  it.effect.each(cases)(title, ([door, options, message]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* refusalOf(doors[door]!(options as never)), message)
    }))

const rate = { threshold: 0.5, window: 10 }
const url = "redis://127.0.0.1:1"
const routes = [chat]
const targets = [{ name: "us", model: Model }]
const policyNames =
  "tripPolicy, openDuration, maxOpenDuration, gateJitter, probes, successesToClose, probeLease, ramp, attemptTimeout, classify"
const modelNames = "key, classify, firstContentTimeout, idleTimeout, settleProbeAt"

describe("an option that does not exist", () => {
  refuses([
    ["CircuitBreaker.layer", { openFor: 1 }, `openFor must be left out: known are ${policyNames}, but is 1`],
    [
      "CircuitBreaker.layer",
      { probs: 1 },
      `probs must be left out (did you mean probes?): known are ${policyNames}, but is 1`
    ],
    [
      "a policy of a function",
      { atemptTimeout: "1 second" },
      `atemptTimeout must be left out (did you mean attemptTimeout?): known are ${policyNames}, but is "a text"`
    ],
    [
      "TripPolicy.failureRate",
      { ...rate, minimumcalls: 1 },
      "tripPolicy.minimumcalls must be left out (did you mean minimumCalls?): known are threshold, minimumCalls, window, but is 1"
    ],
    [
      "TripPolicy.slowCallRate",
      { ...rate, slowerThan: 1, slow: true },
      "tripPolicy.slow must be left out: known are threshold, minimumCalls, window, slowerThan, but is true"
    ],
    [
      "TripPolicy.fromData",
      { _tag: "Consecutive", failures: 1, extra: [] },
      "tripPolicy.extra must be left out: known are failures, but is an empty list"
    ],
    [
      "CircuitStore.layerMemoryWith",
      { maxCircuit: 1 },
      "maxCircuit must be left out (did you mean maxCircuits?): known are idleTimeToLive, maxCircuits, but is 1"
    ],
    [
      "CircuitBreaker.forceOpen",
      { four: "1 minute" },
      "four must be left out (did you mean for?): known are for, reason, actor, but is \"a text\""
    ],
    ["CircuitBreaker.reset", { for: 1 }, "for must be left out: known are reason, actor, but is 1"],
    ["CircuitBreaker.disable", { who: "ann" }, "who must be left out: known are reason, actor, but is \"a text\""],
    [
      "CircuitBreaker.enable",
      { actors: "ann" },
      "actors must be left out (did you mean actor?): known are reason, actor, but is \"a text\""
    ],
    [
      "CircuitObserver.layer",
      { name: "mine", onEvents: () => {} },
      "observer.onEvents must be left out (did you mean onEvent?): known are onEvent, onCircuit, onStoreOperation, onRoute, onUnguarded, onAttempt, onFault, but is a function"
    ],
    [
      "CircuitMetrics.layerWith",
      { maxLabels: 1 },
      "maxLabels must be left out: known are maxLabelValues, but is 1"
    ],
    [
      "LlmOutcome.make",
      { row: [] },
      "row must be left out (did you mean rows?): known are retryAfterThreshold, rows, body, but is an empty list"
    ],
    [
      "LlmOutcome.make",
      { rows: [{ id: "busy", match: {}, kind: "overloaded", outcom: "Failure" }] },
      "rows[0].outcom must be left out (did you mean outcome?): known are id, match, kind, outcome, elsewhere, but is \"a text\""
    ],
    [
      "LlmOutcome.make",
      { rows: [{ id: "status/408", match: { statuses: [408] } }] },
      "rows[0].match.statuses must be left out (did you mean status?): known are origin, status, code, message, but is a list"
    ],
    [
      "Evidence.make",
      { requestId: "the prompt" },
      "evidence.requestId must be left out (did you mean request?): known are request, source, but is \"a text\""
    ],
    [
      "LlmRetry.policy",
      { times: 3 },
      "times must be left out: known are attempts, base, factor, maxDelay, maxWait, deadline, key, judge, but is 3"
    ],
    [
      "RetryBudget.layer",
      { ratios: 1 },
      "ratios must be left out (did you mean ratio?): known are ratio, burst, but is 1"
    ],
    [
      "FailoverRouter.layer",
      { routes, retries: 1 },
      "retries must be left out: known are routes, classify, retry, healthProbe, healthProbeTimeout, healthProbeInterval, but is 1"
    ],
    [
      "FailoverRouter.layer",
      { routes: [FailoverRoute.make("chat", { targets: [{ name: "us", waight: 1 } as { readonly name: string }] })] },
      "routes.chat.targets[0].waight must be left out (did you mean weight?): known are name, key, region, tier, weight, contextTokens, credentials, payload, attemptTimeout, firstContentTimeout, idleTimeout, but is 1"
    ],
    [
      "FailoverRouter.execute",
      { sticky: "user" },
      "sticky must be left out: known are allow, stickyKey, deadline, waitFor, rescue, classifyPart, settleProbeAt, evidence, but is \"a text\""
    ],
    [
      "GuardedHttpClient.layer",
      { event: () => {} },
      "event must be left out (did you mean events?): known are key, classify, classifyBody, events, firstContentTimeout, idleTimeout, settleProbeAt, unreadTimeout, but is a function"
    ],
    [
      "GuardedLanguageModel.layer",
      { key: "model", attemptTimeout: 1 },
      `attemptTimeout must be left out: known are ${modelNames}, but is 1`
    ],
    [
      "GuardedEmbeddingModel.layer",
      { key: "model", idleTimeout: 1 },
      "idleTimeout must be left out: known are key, classify, but is 1"
    ],
    [
      "CircuitConsole.layer",
      { operator: { ann: Redacted.make("token") } },
      "operator must be left out (did you mean operators?): known are path, operators, title, maxEvents, but is an object"
    ]
  ], "of %s is refused by name: %o")

  it.effect("of a resilient model is refused by name, whether it is its own, a route's or a target's", () =>
    Effect.gen(function*() {
      const door = doors["ResilientLanguageModel.layer"]!
      const own = yield* refusalOf(door({ route: "chat", targets, routes } as never))
      assert.include(own, "routes must be left out (did you mean route?): known are route, targets, allow,")
      const target = yield* refusalOf(door({ route: "chat", targets: [{ ...targets[0], wait: 1 }] } as never))
      assert.include(target, "routes.chat.targets[0].wait must be left out: known are name, key, region,")
    }))

  it.effect("of a store on Redis is refused by name, and a secret that it holds is not shown", () =>
    Effect.gen(function*() {
      const door = doors["RedisCircuitStore.layer"]!
      const message = yield* refusalOf(door({ url, password: "secret" } as never))
      assert.include(message, "password must be left out: known are url, redisOptions, cluster, client, prefix,")
      assert.include(message, "but is \"a text\"")
      assert.notInclude(message, "secret")
      const near = yield* refusalOf(door({ uri: "redis://:secret@localhost" } as never))
      assert.include(near, "uri must be left out (did you mean url?)")
      assert.notInclude(near, "secret")
    }))

  it.effect("is none of an observer's own members, but a hook is", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const mine = { name: "mine", seen, online: true, onEvent: () => void seen.push("event") }
      yield* doors["CircuitObserver.layer"]!(mine as never)
    }))
})

describe("an option of another type", () => {
  refuses([
    ["CircuitBreaker.layer", null, "policy must be an object, but is null"],
    ["a policy of a function", undefined, "policy must be an object, but is undefined"],
    ["CircuitBreaker.layer", { classify: "Success" }, "classify must be a function, but is \"Success\""],
    ["CircuitStore.layerMemoryWith", null, "options must be an object, but is null"],
    ["CircuitObserver.layer", "logger", "observer must be an object, but is \"logger\""],
    ["CircuitObserver.layer", { onEvent: () => {} }, "observer.name must be a string, but is undefined"],
    ["CircuitObserver.layer", { name: "mine", onEvent: true }, "observer.onEvent must be a function, but is true"],
    ["LlmOutcome.make", { rows: {} }, "rows must be a list, but is an object"],
    ...([
      [{ id: "" }, "id must be a string that is not empty, but is \"\""],
      [{ id: "status/408", match: 408 }, "match must be an object, but is 408"],
      [
        { id: "status/408", match: { status: 408 } },
        "match.status must be a list of which each is a status, a pair of the first and the last one, or none, but is 408"
      ],
      [
        { id: "status/408", match: { status: [500, "408"] } },
        "match.status[1] must be a status, a pair of the first and the last one, or none, but is \"408\""
      ],
      [
        { id: "status/408", match: { message: ["busy"] } },
        "match.message[0] must be a pattern, such as /busy/i, but is \"busy\""
      ],
      [{ id: "status/408", match: { code: [408] } }, "match.code[0] must be a text or a pattern, but is 408"],
      [
        { id: "status/408", match: { origin: ["Error"] } },
        "match.origin[0] must be error, defect, interruption or value, but is \"Error\""
      ],
      [
        { id: "status/408", outcome: "Throttled" },
        "outcome must be one of Success, Failure, Ignored, OpenNow, but is \"Throttled\""
      ],
      [
        { id: "status/408", outcome: { short: "Throttled", long: "OpenNow" } },
        "outcome.none must be one of Success, Failure, Ignored, OpenNow, but is undefined"
      ],
      [{ id: "status/408", elsewhere: "eu" }, "elsewhere must be true or false, but is \"eu\""]
    ] as const).map(([row, rule]) => ["LlmOutcome.make", { rows: [row] }, `rows[0].${rule}`] as const),
    [
      "Evidence.make",
      "the prompt",
      "evidence must be an object with a request or a source, or a function that gives one, but is \"a text\""
    ],
    ["the evidence of a call", { request: "the prompt" }, "evidence must be made by Evidence.make, but is an object"],
    ["the evidence of a call", "the prompt", "evidence must be made by Evidence.make, but is \"a text\""],
    [
      "the evidence of a routed call",
      { request: "the prompt" },
      "evidence must be made by Evidence.make, but is an object"
    ],
    ["LlmOutcome.make", { body: "yes" }, "body must be true or false, but is \"yes\""],
    ["LlmRetry.policy", { judge: "always" }, "judge must be a function, but is \"always\""],
    ["LlmRetry.policy", 3, "options must be an object, but is 3"],
    ["RetryBudget.layer", "0.1", "options must be an object, but is \"0.1\""],
    ["FailoverRouter.layer", null, "options must be an object, but is null"],
    ["GuardedHttpClient.layer", { key: 7 }, "key must be a string that is not empty, but is 7"],
    ["GuardedHttpClient.layer", { classify: {} }, "classify must be a function, but is an object"],
    ["GuardedHttpClient.layer", { events: "openai" }, "events must be a function, but is \"openai\""],
    [
      "GuardedHttpClient.layer",
      { settleProbeAt: "start" },
      "settleProbeAt must be one of finish, first_content, but is \"start\""
    ],
    ["GuardedLanguageModel.layer", undefined, "options must be an object, but is undefined"],
    ["GuardedLanguageModel.layer", {}, "key must be a string that is not empty, but is undefined"],
    ["GuardedLanguageModel.layer", { key: "m", classify: 1 }, "classify must be a function, but is 1"],
    [
      "GuardedLanguageModel.layer",
      { key: "m", settleProbeAt: "start" },
      "settleProbeAt must be one of finish, first_content, but is \"start\""
    ],
    ["GuardedEmbeddingModel.layer", { key: "m", classify: 1 }, "classify must be a function, but is 1"],
    [
      "ResilientLanguageModel.layer",
      { route: "chat", targets: "us" },
      "targets must be a list of at least one target, but is \"us\""
    ],
    [
      "ResilientLanguageModel.layer",
      { route: "chat", targets: ["us"] },
      "targets[0] must be an object with name and model, but is \"us\""
    ],
    [
      "ResilientLanguageModel.layer",
      { route: "chat", targets: [{ name: "us" }] },
      "targets[0].model must be a layer of a LanguageModel, but is undefined"
    ],
    ["CircuitConsole.layer", { title: 7 }, "title must be a string, but is 7"],
    [
      "RedisCircuitStore.layer",
      { url, requireConnection: "no" },
      "requireConnection must be true or false, but is \"no\""
    ]
  ], "of %s is refused: %o")

  it.effect("is refused of a stream when it is opened", () =>
    Effect.gen(function*() {
      const open = Stream.make(1).pipe(
        CircuitBreaker.stream({ key: "model", classifyPart: StreamSignal.opaque, settleProbeAt: "start" as never }),
        Stream.runDrain,
        Effect.provide(Breaker)
      )
      assert.strictEqual(
        yield* refusalOf(open),
        "settleProbeAt must be one of finish, first_content, but is \"start\""
      )
    }))
})
