import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Layer } from "effect"
import { CircuitBreaker, CircuitConfig, type CircuitPolicy, CircuitStore, Outcome, TripPolicy } from "effect-resilience"

describe("layerConfig", () => {
  const policyOf = (env: Record<string, string>) => CircuitConfig.policy().parse(ConfigProvider.fromEnv({ env }))
  const layerOf = (env: Record<string, string>, defaults?: CircuitPolicy.CircuitPolicy) =>
    CircuitBreaker.layerConfig(CircuitConfig.policy(), defaults).pipe(
      Layer.provide(CircuitStore.layerMemory),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
    )

  it.effect("judges calls as LLM calls, unless its defaults say otherwise", () => {
    const tooLong = () => ({ status: 400, error: { code: "context_length_exceeded" } })
    const ask = Effect.exit(Effect.failSync(tooLong).pipe(CircuitBreaker.execute({ key: "model" })))
    const stateAfter = (defaults?: CircuitPolicy.CircuitPolicy) =>
      Effect.gen(function*() {
        yield* Effect.repeat(ask, { times: 3 })
        return (yield* CircuitBreaker.state("model"))._tag
      }).pipe(Effect.provide(layerOf({}, defaults)))
    return Effect.gen(function*() {
      assert.strictEqual(yield* stateAfter(), "Closed")
      assert.strictEqual(yield* stateAfter({ classify: undefined }), "Closed")
      assert.strictEqual(yield* stateAfter({ classify: () => Outcome.failure("unknown") }), "Open")
    })
  })

  it.effect.each<[string, string, CircuitPolicy.CircuitPolicy]>([
    ["CIRCUIT_FAILURES", "3", { tripPolicy: TripPolicy.consecutive(3) }],
    ["CIRCUIT_TRIP_POLICY", "consecutive", { tripPolicy: TripPolicy.consecutive(3) }],
    ["CIRCUIT_TRIP_POLICY", "adaptive", { tripPolicy: TripPolicy.adaptive() }],
    ["CIRCUIT_OPEN_DURATION", "10 seconds", { openDuration: Duration.seconds(10) }],
    ["CIRCUIT_MAX_OPEN_DURATION", "2 hours", { maxOpenDuration: Duration.hours(2) }],
    ["CIRCUIT_PROBES", "2", { probes: 2 }],
    ["CIRCUIT_SUCCESSES_TO_CLOSE", "3", { successesToClose: 3 }],
    ["CIRCUIT_PROBE_LEASE", "5 minutes", { probeLease: Duration.minutes(5) }],
    ["CIRCUIT_RAMP", "1 minute", { ramp: Duration.minutes(1) }],
    ["CIRCUIT_ATTEMPT_TIMEOUT", "30 seconds", { attemptTimeout: Duration.seconds(30) }]
  ])("reads %s=%s", ([name, value, expected]) =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* policyOf({ [name]: value }), expected)
    }))

  const rateSettings = { CIRCUIT_THRESHOLD: "0.5", CIRCUIT_WINDOW: "100", CIRCUIT_MINIMUM_CALLS: "20" }

  it.effect("reads a failure rate over a number of calls or a duration", () =>
    Effect.gen(function*() {
      const env = { ...rateSettings, CIRCUIT_TRIP_POLICY: "failure_rate" }
      const policy = { threshold: 0.5, minimumCalls: 20, window: 100 }
      assert.deepStrictEqual(yield* policyOf(env), { tripPolicy: TripPolicy.failureRate(policy) })
      assert.deepStrictEqual(yield* policyOf({ ...env, CIRCUIT_WINDOW: "30 seconds" }), {
        tripPolicy: TripPolicy.failureRate({ ...policy, window: "30 seconds" })
      })
    }))

  it.effect("reads a slow call rate", () =>
    Effect.gen(function*() {
      const env = { ...rateSettings, CIRCUIT_TRIP_POLICY: "slow_call_rate", CIRCUIT_SLOWER_THAN: "2 seconds" }
      const { tripPolicy } = yield* policyOf(env)
      assert.deepInclude(tripPolicy, { _tag: "SlowCallRate", threshold: 0.5, minimumCalls: 20, window: 100 })
      assert.deepInclude(tripPolicy, { slowerThan: Duration.seconds(2) })
    }))

  it.effect("reads a count of failures within a duration", () =>
    Effect.gen(function*() {
      const env = { CIRCUIT_TRIP_POLICY: "failure_count", CIRCUIT_FAILURES: "5", CIRCUIT_WINDOW: "30 seconds" }
      assert.deepStrictEqual(yield* policyOf(env), {
        tripPolicy: TripPolicy.failureCount({ failures: 5, window: "30 seconds" })
      })
    }))

  it.effect("reads a structure, and settings under another prefix", () =>
    Effect.gen(function*() {
      const provider = ConfigProvider.fromUnknown({ LLM: { FAILURES: 3 }, CIRCUIT: { FAILURES: 4 } })
      assert.deepStrictEqual(yield* CircuitConfig.policy("LLM").parse(provider), {
        tripPolicy: TripPolicy.consecutive(3)
      })
    }))

  it.effect("what is absent keeps its default", () =>
    Effect.gen(function*() {
      yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" })))
      assert.deepInclude(yield* CircuitBreaker.state("model"), { _tag: "Closed", failureThreshold: 3 })
    }).pipe(Effect.provide(layerOf({}))))

  it.effect("what is set takes the place of the program's default, and nothing else does", () =>
    Effect.gen(function*() {
      yield* Effect.flip(Effect.fail("503").pipe(CircuitBreaker.execute({ key: "model" })))
      const state = yield* CircuitBreaker.state("model")
      assert(state._tag === "Open")
      assert.strictEqual(Duration.toMillis(state.retryAfter), 7000)
    }).pipe(Effect.provide(layerOf(
      { CIRCUIT_OPEN_DURATION: "7 seconds" },
      { tripPolicy: TripPolicy.consecutive(1), openDuration: "1 hour" }
    ))))

  const duration = "a finite duration of at least 1 ms and at most ten years"
  const count = "a whole number of 1 or more"
  const rate = { CIRCUIT_TRIP_POLICY: "failure_rate", ...rateSettings }
  const slow = { ...rate, CIRCUIT_TRIP_POLICY: "slow_call_rate", CIRCUIT_SLOWER_THAN: "2 seconds" }

  const sentenceOf = (layer: Layer.Layer<CircuitBreaker.CircuitBreaker, unknown>) =>
    Effect.map(Effect.flip(Effect.scoped(Layer.build(layer))), (error) => {
      assert(error instanceof Config.ConfigError)
      return error.message.replace("SourceError: ", "")
    })

  it.effect.each<[Record<string, string>, string]>([
    [{ CIRCUIT_FAILURES: "many" }, `CIRCUIT_FAILURES must be ${count}, but is "many"`],
    [{ CIRCUIT_FAILURES: "0" }, `CIRCUIT_FAILURES must be ${count}, but is 0`],
    [{ CIRCUIT_TRIP_POLICY: "adaptive", CIRCUIT_FAILURES: "many" }, `CIRCUIT_FAILURES must be ${count}, but is "many"`],
    [{ CIRCUIT_PROBES: "0" }, `CIRCUIT_PROBES must be ${count}, but is 0`],
    [{ CIRCUIT_PROBES: "1.5" }, `CIRCUIT_PROBES must be ${count}, but is 1.5`],
    [{ CIRCUIT_PROBES: "NaN" }, `CIRCUIT_PROBES must be ${count}, but is NaN`],
    [{ CIRCUIT_SUCCESSES_TO_CLOSE: "-1" }, `CIRCUIT_SUCCESSES_TO_CLOSE must be ${count}, but is -1`],
    [
      { CIRCUIT_TRIP_POLICY: "sometimes" },
      "CIRCUIT_TRIP_POLICY must be one of consecutive, failure_count, failure_rate, slow_call_rate, adaptive, but is \"sometimes\""
    ],
    [{ CIRCUIT_OPEN_DURATION: "soon" }, `CIRCUIT_OPEN_DURATION must be ${duration}, but is "soon"`],
    [{ CIRCUIT_OPEN_DURATION: "-1 seconds" }, `CIRCUIT_OPEN_DURATION must be ${duration}, but is "-1s"`],
    [{ CIRCUIT_MAX_OPEN_DURATION: "Infinity" }, `CIRCUIT_MAX_OPEN_DURATION must be ${duration}, but is "Infinity"`],
    [{ CIRCUIT_PROBE_LEASE: "0 seconds" }, `CIRCUIT_PROBE_LEASE must be ${duration}, but is "0"`],
    [{ CIRCUIT_RAMP: "x" }, `CIRCUIT_RAMP must be ${duration}, but is "x"`],
    [{ CIRCUIT_ATTEMPT_TIMEOUT: "30" }, `CIRCUIT_ATTEMPT_TIMEOUT must be ${duration}, but is "30"`],
    [
      { CIRCUIT_TRIP_POLICY: "failure_rate" },
      "CIRCUIT_THRESHOLD must be set for the trip policy \"failure_rate\", but is undefined"
    ],
    [
      { CIRCUIT_TRIP_POLICY: "failure_rate", CIRCUIT_THRESHOLD: "0.5" },
      "CIRCUIT_WINDOW must be set for the trip policy \"failure_rate\", but is undefined"
    ],
    [
      { ...rate, CIRCUIT_TRIP_POLICY: "slow_call_rate" },
      "CIRCUIT_SLOWER_THAN must be set for the trip policy \"slow_call_rate\", but is undefined"
    ],
    [
      { CIRCUIT_TRIP_POLICY: "failure_count", CIRCUIT_WINDOW: "1 minute" },
      "CIRCUIT_FAILURES must be set for the trip policy \"failure_count\", but is undefined"
    ],
    [
      { CIRCUIT_TRIP_POLICY: "failure_count", CIRCUIT_FAILURES: "5" },
      "CIRCUIT_WINDOW must be set for the trip policy \"failure_count\", but is undefined"
    ],
    [
      { CIRCUIT_TRIP_POLICY: "failure_count", CIRCUIT_FAILURES: "5", CIRCUIT_WINDOW: "100" },
      `CIRCUIT_WINDOW must be ${duration}, but is "100"`
    ],
    [{ ...slow, CIRCUIT_SLOWER_THAN: "a while" }, `CIRCUIT_SLOWER_THAN must be ${duration}, but is "a while"`],
    [{ ...rate, CIRCUIT_THRESHOLD: "2" }, "CIRCUIT_THRESHOLD must be a number above 0 and up to 1, but is 2"],
    [{ ...slow, CIRCUIT_THRESHOLD: "half" }, "CIRCUIT_THRESHOLD must be a number above 0 and up to 1, but is \"half\""],
    [{ ...rate, CIRCUIT_WINDOW: "wide" }, `CIRCUIT_WINDOW must be ${duration}, but is "wide"`],
    [{ ...rate, CIRCUIT_WINDOW: "0" }, `CIRCUIT_WINDOW must be ${count}, but is 0`],
    [
      { ...rate, CIRCUIT_MINIMUM_CALLS: "101" },
      "CIRCUIT_MINIMUM_CALLS must be no larger than the window, or its rate would never be known, but is 101"
    ]
  ])("names the variable, its rule and its value: %o", ([env, sentence]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* sentenceOf(layerOf(env)), sentence)
      const alone = yield* Effect.flip(policyOf(env))
      assert.strictEqual(alone.message, `SourceError: ${sentence}`, "without a layer")
    }))

  it.effect("names the variable under another prefix", () =>
    Effect.gen(function*() {
      const provider = ConfigProvider.fromEnv({ env: { LLM_PROBES: "0" } })
      const error = yield* Effect.flip(CircuitConfig.policy("LLM").parse(provider))
      assert.include(error.message, `LLM_PROBES must be ${count}, but is 0`)
    }))

  it.effect("names the field where a default of the program is wrong", () =>
    Effect.gen(function*() {
      const env = { CIRCUIT_OPEN_DURATION: "10 seconds" }
      assert.strictEqual(yield* sentenceOf(layerOf(env, { probes: 0 })), `probes must be ${count}, but is 0`)
      assert.strictEqual(
        yield* sentenceOf(layerOf({}, { tripPolicy: TripPolicy.consecutive(0) })),
        `tripPolicy.failures must be ${count}, but is 0`
      )
    }))

  it.effect("W50: those of a rate are refused where no rate is asked for", () =>
    Effect.gen(function*() {
      for (
        const [setting, value, shown] of [
          ["THRESHOLD", "1", "1"],
          ["WINDOW", "1", "\"1\""],
          ["MINIMUM_CALLS", "1", "1"],
          ["SLOWER_THAN", "1 second", "\"1s\""]
        ] as const
      ) {
        const rule = "must be left out unless CIRCUIT_TRIP_POLICY names a policy that takes it"
        assert.include(
          yield* sentenceOf(layerOf({ [`CIRCUIT_${setting}`]: value })),
          `CIRCUIT_${setting} ${rule}, but is ${shown}`
        )
      }
    }))
})
