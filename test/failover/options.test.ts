// Routes as they are given: what is refused and with which words, what is taken, and that nobody can change it later.
import { assert, describe, it } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Duration, Effect, Exit, Layer, Stream } from "effect"
import { CircuitPolicy, FailoverRoute, FailoverRouter, StreamSignal } from "effect-resilience"
import { active, breaker, down, makeTargets, route, router } from "./targets.ts"

const built = <A, E>(layer: Layer.Layer<A, E>) => Effect.exit(Effect.scoped(Layer.build(layer)))

const refusal = (options: object) =>
  Effect.map(built(router(options)), (exit) => {
    assert(Exit.isFailure(exit), "was accepted")
    const [defect] = exit.cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
    assert(defect instanceof CircuitPolicy.InvalidOptions, String(defect))
    return defect
  })
const refused = (options: object) => Effect.map(refusal(options), ({ message }) => message)

const one = (options: unknown, name = "chat") => ({ routes: [{ name, options }] })
const targets = (...list: ReadonlyArray<unknown>) => one({ targets: list })
const chat = (settings: object) => one({ targets: ["us", "eu"], ...settings })

describe("I138: routes", () => {
  it.effect.each(
    [
      [
        "no routes",
        { routes: [] },
        "routes must be a list of at least one route, as FailoverRoute.make makes them, but is an empty list"
      ],
      [
        "routes that are no list",
        { routes: { chat: { targets: ["us"] } } },
        "routes must be a list of at least one route, as FailoverRoute.make makes them, but is an object"
      ],
      [
        "a text for a route",
        { routes: ["chat"] },
        "routes[0] must be a route, as FailoverRoute.make makes it, but is \"chat\""
      ],
      [
        "a name twice",
        { routes: [...chat({}).routes, ...chat({}).routes] },
        "routes must be a list in which no name appears twice, but is \"chat\""
      ],
      [
        "a route without a name",
        one({ targets: ["us"] }, " "),
        "route must be a name that is not blank, but is \" \""
      ],
      [
        "a route that is a list",
        one(["us"]),
        "routes.chat must be an object with targets, but is a list"
      ],
      ["a route that is null", one(null), "routes.chat must be an object with targets, but is null"],
      ["no targets", targets(), "routes.chat.targets must be a list of at least one target, but is an empty list"],
      [
        "W63: a text as targets",
        one({ targets: "ab" }),
        "routes.chat.targets must be a list of at least one target, but is \"ab\""
      ],
      [
        "targets that can be read once only",
        one({ targets: ["us"].values() }),
        "routes.chat.targets must be a list of at least one target, but is an object"
      ],
      [
        "a blank name",
        targets("us", " "),
        "routes.chat.targets[1].name must be a name that is not blank, but is \" \""
      ],
      [
        "a target without a name",
        targets({ region: "eu" }),
        "routes.chat.targets[0].name must be a name that is not blank, but is undefined"
      ],
      [
        "a target that is a number",
        targets(1),
        "routes.chat.targets[0] must be a name, or an object with one, but is 1"
      ],
      [
        "a target that is null",
        targets(null),
        "routes.chat.targets[0] must be a name, or an object with one, but is null"
      ],
      [
        "a name twice",
        targets("us", "eu", "us"),
        "routes.chat.targets must be a list in which no name appears twice, but is \"us\""
      ],
      [
        "a key twice",
        targets({ name: "us", key: "k" }, { name: "eu", key: "k" }),
        "routes.chat.targets must be a list in which no key appears twice, but is \"k\""
      ],
      [
        "a key that is another's by default",
        targets("us", { name: "eu", key: "chat/us" }),
        "routes.chat.targets must be a list in which no key appears twice, but is \"chat/us\""
      ],
      [
        "a blank key",
        targets({ name: "us", key: "" }),
        "routes.chat.targets[0].key must be left out, or a text that is not blank, but is \"\""
      ],
      [
        "a blank region",
        targets({ name: "us", region: " " }),
        "routes.chat.targets[0].region must be left out, or a text that is not blank, but is \" \""
      ],
      [
        "tiers on some only",
        targets({ name: "us", tier: 1 }, "eu"),
        "routes.chat.targets must be a list in which all targets have a tier, or none has one, but is a list"
      ],
      [
        "a weight without anybody to share with",
        targets("us", { name: "eu", weight: 2 }),
        "routes.chat.targets[1].weight must be left out where no other target has the same tier, but is 2"
      ],
      [
        "a weight alone in its tier",
        targets({ name: "us", tier: 1, weight: 1 }, { name: "eu", tier: 2 }),
        "routes.chat.targets[0].weight must be left out where no other target has the same tier, but is 1"
      ],
      [
        "a fence that leaves nobody",
        chat({ allow: { regions: ["eu"] } }),
        "routes.chat.allow must be a fence with at least one target inside, but is an object"
      ],
      [
        "a text as fence",
        chat({ allow: "eu" }),
        "routes.chat.allow must be an object with regions or targets, but is \"eu\""
      ],
      [
        "a text as regions",
        chat({ allow: { regions: "eu" } }),
        "routes.chat.allow.regions must be a list, but is \"eu\""
      ],
      [
        "a text as names",
        chat({ allow: { targets: "us" } }),
        "routes.chat.allow.targets must be a list, but is \"us\""
      ],
      [
        "another word for whenExhausted",
        chat({ whenExhausted: "panic" }),
        "routes.chat.whenExhausted must be one of last_resort, fail, but is \"panic\""
      ],
      ["a text as kinds", chat({ failOverOn: "auth" }), "routes.chat.failOverOn must be a list, but is \"auth\""],
      [
        "a health probe that is none",
        { healthProbe: true },
        "healthProbe must be a function, but is true"
      ]
    ] as const
  )("are refused by name: %s", ([, options, message]) =>
    Effect.gen(function*() {
      assert.strictEqual(yield* refused(options), message)
    }))

  it.effect.each(
    [
      ["a route", chat({ minFailoverDuraton: 1 }), "routes.chat.minFailoverDuraton", "minFailoverDuration"],
      ["a target", targets({ name: "us", regoin: "eu" }), "routes.chat.targets[0].regoin", "region"],
      ["a fence, which would be open", chat({ allow: { region: ["eu"] } }), "routes.chat.allow.region", "regions"]
    ] as const
  )("W50, W63: are refused for a field that there is not: of %s", ([, options, field, near]) =>
    Effect.gen(function*() {
      const invalid = yield* refusal(options)
      assert.strictEqual(invalid.field, field)
      assert.include(invalid.rule, `left out (did you mean ${near}?): known are `)
    }))

  it.effect("W45: are refused where their names meet in one key", () =>
    Effect.gen(function*() {
      const routes = [
        FailoverRoute.make("chat", { targets: ["fast/us"] }),
        FailoverRoute.make("chat/fast", { targets: ["us"] })
      ]
      const { field, value } = yield* refusal({ routes })
      assert.deepStrictEqual([field, value], ["routes", "chat/fast/us"])
    }))

  it.effect("are refused for a kind that there is not", () =>
    Effect.gen(function*() {
      const { field, rule, value } = yield* refusal(chat({ failOverOn: ["auth", "sadness"] }))
      assert.deepStrictEqual([field, value], ["routes.chat.failOverOn", "sadness"])
      assert.match(rule, /^one of rate_limited, /)
    }))

  const durations: ReadonlyArray<readonly [field: string, minimum: 0 | 1, options: (value: unknown) => object]> = [
    ["routes.chat.minFailoverDuration", 0, (minFailoverDuration) => chat({ minFailoverDuration })],
    ["routes.chat.deadline", 1, (deadline) => chat({ deadline })],
    ["healthProbeTimeout", 1, (healthProbeTimeout) => ({ healthProbeTimeout })],
    ["healthProbeInterval", 1, (healthProbeInterval) => ({ healthProbeInterval })]
  ]
  it.effect.each(durations)(
    "W63: are refused for a duration that is none: %s",
    ([field, minimum, options]) =>
      Effect.gen(function*() {
        for (
          const value of [Number.NaN, -1, Infinity, "soon", Duration.infinity, "3651 days", minimum === 1 ? 0 : -0.1]
        ) {
          const invalid = yield* refusal(options(value))
          assert.strictEqual(invalid.field, field)
          assert.strictEqual(invalid.rule, `a finite duration of at least ${minimum} ms and at most ten years`)
        }
        for (const value of [minimum, "1 second", "3650 days"]) {
          assert.strictEqual((yield* built(router(options(value))))._tag, "Success", String(value))
        }
      })
  )

  const limits: ReadonlyArray<readonly [field: string, options: (value: unknown) => object]> = [
    ["routes.chat.attemptTimeout", (attemptTimeout) => chat({ attemptTimeout })],
    ["routes.chat.firstContentTimeout", (firstContentTimeout) => chat({ firstContentTimeout })],
    ["routes.chat.idleTimeout", (idleTimeout) => chat({ idleTimeout })],
    ["routes.chat.targets[0].attemptTimeout", (attemptTimeout) => targets({ name: "us", attemptTimeout })],
    [
      "routes.chat.targets[0].firstContentTimeout",
      (firstContentTimeout) => targets({ name: "us", firstContentTimeout })
    ],
    ["routes.chat.targets[0].idleTimeout", (idleTimeout) => targets({ name: "us", idleTimeout })]
  ]
  it.effect.each(limits)(
    "are refused for a limit that is no duration, and take one without an end: %s",
    ([field, options]) =>
      Effect.gen(function*() {
        for (
          const value of [Number.NaN, -1, -Infinity, "soon", "-Infinity", "3651 days", 0, Duration.negativeInfinity]
        ) {
          const invalid = yield* refusal(options(value))
          assert.strictEqual(invalid.field, field)
          assert.strictEqual(invalid.rule, "a duration of at least 1 ms and at most ten years, or Infinity")
        }
        for (const value of [1, "1 second", "3650 days", "Infinity", Duration.infinity, Infinity]) {
          assert.strictEqual((yield* built(router(options(value))))._tag, "Success", String(value))
        }
      })
  )

  const numbers: ReadonlyArray<
    readonly [
      field: string,
      bad: ReadonlyArray<unknown>,
      good: ReadonlyArray<number>,
      options: (value: unknown) => object
    ]
  > = [
    [
      "routes.chat.targets[0].tier",
      [0, -1, 1.5, Number.NaN, Infinity, "1"],
      [1, 9],
      (tier) => targets({ name: "us", tier })
    ],
    [
      "routes.chat.targets[0].contextTokens",
      [0, -1, 1.5, Number.NaN, Infinity, "1"],
      [1, 2_000_000],
      (contextTokens) => targets({ name: "us", contextTokens })
    ],
    [
      "routes.chat.targets[0].weight",
      [-1, Number.NaN, Infinity, "1"],
      [0, 0.5, 7],
      (weight) => targets({ name: "us", tier: 1, weight }, { name: "eu", tier: 1 })
    ],
    [
      "routes.chat.maxHeldBytes",
      [0, 0.5, -1, Number.NaN, Infinity],
      [1, 2 ** 40],
      (maxHeldBytes) => chat({ maxHeldBytes })
    ],
    ["routes.chat.rescue", [-1, 0.5, Number.NaN, Infinity, "1", 100_001], [0, 1, 100_000], (rescue) => chat({ rescue })]
  ]
  it.effect.each(numbers)(
    "are refused for a number out of its bounds: %s",
    ([field, bad, good, options]) =>
      Effect.gen(function*() {
        for (const value of bad) assert.strictEqual((yield* refusal(options(value))).field, field, String(value))
        for (const value of good) {
          assert.strictEqual((yield* built(router(options(value))))._tag, "Success", String(value))
        }
      })
  )

  it.effect("I145: may have one target", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets()
      assert.strictEqual(yield* ask(), "us")
      assert.isFalse(yield* FailoverRouter.isFailedOver("chat"))
    }).pipe(Effect.provide(route({ targets: ["us"] }))))

  it.effect("keep what is left out at its default", () =>
    Effect.gen(function*() {
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(state?.targets.map(({ target }): object => target), [
        {
          route: "chat",
          name: "us",
          key: "chat/us",
          region: undefined,
          tier: 1,
          weight: 1,
          contextTokens: undefined
        },
        { route: "chat", name: "eu", key: "k", region: "eu", tier: 2, weight: 1, contextTokens: 9 }
      ])
    }).pipe(Effect.provide(route({ targets: ["us", { name: "eu", key: "k", region: "eu", contextTokens: 9 }] }))))

  it.effect("may name the circuit of another one, by its default key", () =>
    Effect.gen(function*() {
      yield* Effect.exit(FailoverRouter.execute("chat", () => down))
      const [, code] = yield* FailoverRouter.snapshot
      assert.strictEqual(code?.targets[0]?.circuit._tag, "Open")
    }).pipe(Effect.provide(router({
      routes: [
        FailoverRoute.make("chat", { targets: ["us"] }),
        FailoverRoute.make("code", { targets: [{ name: "us", key: "chat/us" }] })
      ]
    }))))

  it.effect("are refused for a list of targets with holes", () =>
    Effect.gen(function*() {
      const targets = ["us"]
      targets[3] = "eu"
      assert.isTrue(Exit.hasDies(yield* Effect.exit(Effect.scoped(Layer.build(route({ targets }))))))
    }))

  it.effect("are refused with a classify or a retry that is no function", () =>
    Effect.gen(function*() {
      for (const options of [{ classify: "LlmOutcome" as never }, { retry: 3 as never }]) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(Effect.scoped(Layer.build(router(options))))))
      }
    }))
})

describe("I139: routes", () => {
  it.effect("are the router's own: a later change of the object that was given changes nothing", () => {
    const list: Array<string | { name: string; region: string }> = ["us", { name: "eu", region: "eu" }]
    const regions = ["eu"]
    const failOverOn: Array<"auth"> = []
    const given = { targets: list, allow: { regions }, failOverOn, rescue: 0 }
    return Effect.gen(function*() {
      const { ask } = makeTargets()
      assert.strictEqual(yield* ask(), "eu")
      list.splice(0, 2, { name: "other", region: "eu" })
      regions.push("nowhere")
      given.rescue = -1
      assert.strictEqual(yield* ask(), "eu")
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(state?.targets.map(({ target }) => target.name), ["eu"])
    }).pipe(Effect.provide(router({ routes: [FailoverRoute.make("chat", given)] })))
  })

  it.effect("and their targets cannot be changed by those who get them", () =>
    Effect.gen(function*() {
      const target = yield* FailoverRouter.activeTarget("chat")
      assert.throws(() => Object.assign(target, { key: "other" }), TypeError)
      assert.throws(() => Object.assign(target, { more: true }), TypeError)
      yield* FailoverRouter.execute("chat", (given) =>
        Effect.sync(() => assert.throws(() => Object.assign(given, { name: "x" }), TypeError)))
      assert.strictEqual(yield* active, "us")
      const [state] = yield* FailoverRouter.snapshot
      assert.strictEqual(state?.active.key, "chat/us")
    }).pipe(Effect.provide(router())))
})

describe("layerConfig", () => {
  const from = (env: Record<string, string>, options: FailoverRouter.ConfigOptions = {}) =>
    FailoverRouter.layerConfig(options).pipe(
      Layer.provideMerge(breaker()),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))
    )
  const routes = (value: unknown) => from({ FAILOVER_ROUTES: JSON.stringify(value) })

  it.effect("reads routes from JSON", () =>
    Effect.gen(function*() {
      const { ask } = makeTargets()
      assert.strictEqual(yield* ask(), "eu")
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(state?.targets.map(({ target }) => [target.name, target.tier, target.weight]), [
        ["eu", 1, 3],
        ["eu2", 1, 0]
      ])
    }).pipe(Effect.provide(routes({
      chat: {
        targets: [
          { name: "us", region: "us", tier: 1, weight: 1 },
          { name: "eu", region: "eu", tier: 1, weight: 3, attemptTimeout: "5 seconds" },
          { name: "eu2", region: "eu", tier: 1, weight: 0 }
        ],
        allow: { regions: ["eu"] },
        minFailoverDuration: "0 seconds",
        deadline: "20 seconds",
        idleTimeout: "9 seconds",
        firstContentTimeout: "8 seconds",
        rescue: 3,
        waitFor: "2 seconds",
        whenExhausted: "fail",
        failOverOn: ["auth", "model_output"]
      }
    }))))

  it.effect("takes the other options from code", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* FailoverRouter.execute(
          "chat",
          ({ name }) => name === "us" ? Effect.fail("always") : Effect.succeed(name)
        ),
        "eu"
      )
    }).pipe(
      Effect.provide(from({ FAILOVER_ROUTES: "{\"chat\":{\"targets\":[\"us\",\"eu\"]}}" }, {
        classify: (exit) => Exit.isSuccess(exit) ? { _tag: "Success" } : { _tag: "Failure", kind: "unknown" }
      }))
    ))

  it.effect.each<readonly [string, Record<string, string>, string]>([
    ["nothing", {}, "FAILOVER_ROUTES must be routes as JSON, but is undefined"],
    ["what is no JSON", { FAILOVER_ROUTES: "{" }, "FAILOVER_ROUTES must be routes as JSON, but is \"{\""],
    [
      "what has another form",
      { FAILOVER_ROUTES: "{\"chat\":[\"us\"]}" },
      "FAILOVER_ROUTES.chat must be an object with targets, but is a list"
    ],
    [
      "a text as targets",
      { FAILOVER_ROUTES: "{\"chat\":{\"targets\":\"us\"}}" },
      "FAILOVER_ROUTES.chat.targets must be a list of at least one target, but is \"us\""
    ],
    [
      "a number as duration",
      { FAILOVER_ROUTES: "{\"chat\":{\"targets\":[\"us\"],\"deadline\":5}}" },
      "FAILOVER_ROUTES.chat.deadline must be string, but is 5"
    ],
    [
      "a number as a target's duration",
      { FAILOVER_ROUTES: "{\"chat\":{\"targets\":[\"us\",{\"name\":\"eu\",\"idleTimeout\":5}]}}" },
      "FAILOVER_ROUTES.chat.targets[1].idleTimeout must be string, but is 5"
    ],
    [
      "no duration",
      { FAILOVER_ROUTES: "{\"chat\":{\"targets\":[\"us\"],\"deadline\":\"soon\"}}" },
      "FAILOVER_ROUTES.chat.deadline must be a finite duration of at least 1 ms and at most ten years, but is \"soon\""
    ],
    [
      "a duration out of its bounds",
      { FAILOVER_ROUTES: "{\"chat\":{\"targets\":[\"us\"],\"deadline\":\"0 seconds\"}}" },
      "FAILOVER_ROUTES.chat.deadline must be a finite duration of at least 1 ms and at most ten years, but is \"0 seconds\""
    ],
    [
      "what makes no sense together",
      { FAILOVER_ROUTES: "{\"chat\":{\"targets\":[\"us\",\"us\"]}}" },
      "FAILOVER_ROUTES.chat.targets must be a list in which no name appears twice, but is \"us\""
    ],
    [
      "no routes",
      { FAILOVER_ROUTES: "{}" },
      "FAILOVER_ROUTES must be an object with at least one route, but is an object"
    ]
  ])("is a ConfigError that names its place, rule and value: %s", ([, env, sentence]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(from(env))))
      assert.instanceOf(error, Config.ConfigError)
      assert.strictEqual(error.message, `SourceError: ${sentence}`)
    }))

  it.effect.each<readonly [string, string, string]>([
    [
      "W50: a field that there is not, such as a fence that would be open",
      "{\"chat\":{\"targets\":[\"us\"],\"allow\":{\"region\":[\"eu\"]}}}",
      "FAILOVER_ROUTES.chat.allow.region must be left out"
    ],
    [
      "an unknown kind",
      "{\"chat\":{\"targets\":[\"us\"],\"failOverOn\":[\"sadness\"]}}",
      "FAILOVER_ROUTES.chat.failOverOn must be one of rate_limited, quota_exhausted, "
    ]
  ])("is a ConfigError that lists what is known: %s", ([, value, sentence]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(from({ FAILOVER_ROUTES: value }))))
      assert.instanceOf(error, Config.ConfigError)
      assert.include(error.message, sentence)
    }))

  it.effect("names the field where another option of the program is wrong", () =>
    Effect.gen(function*() {
      const env = { FAILOVER_ROUTES: "{\"chat\":{\"targets\":[\"us\"]}}" }
      const layer = from(env, { healthProbe: () => Effect.succeed(true), healthProbeTimeout: 0 })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.include(error.message, "SourceError: healthProbeTimeout must be a finite duration of at least 1 ms")
    }))

  it.effect("takes routes from anywhere else", () =>
    Effect.gen(function*() {
      const routes = Config.succeed([FailoverRoute.make("chat", { targets: ["mars"] })])
      const layer = FailoverRouter.layerConfig({}, routes).pipe(Layer.provideMerge(breaker()))
      assert.strictEqual(yield* Effect.provide(active, layer), "mars")
    }))
})

describe("what a call brings", () => {
  const invalidIn = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.exit(self), (exit) => {
      assert(Exit.isFailure(exit), "was accepted")
      const [defect] = exit.cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect)
      assert(defect instanceof CircuitPolicy.InvalidOptions, String(defect))
      return defect.field
    })

  it.effect("is checked too, and nobody is asked", () =>
    Effect.gen(function*() {
      const { ask, asked } = makeTargets()
      const cases: ReadonlyArray<readonly [string, object]> = [
        ["allow", { allow: "eu" }],
        ["allow.regions", { allow: { regions: "eu" } }],
        ["allow.targets", { allow: { targets: "us" } }],
        ["allow.region", { allow: { region: ["eu"] } }],
        ["deadline", { deadline: Number.NaN }],
        ["deadline", { deadline: -1 }],
        ["deadline", { deadline: 0 }],
        ["deadline", { deadline: Duration.infinity }]
      ]
      for (const [field, options] of cases) assert.strictEqual(yield* invalidIn(ask(options)), field)
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.provide(router())))

  it.effect("is refused where a fence is misspelt, which would be open", () =>
    Effect.gen(function*() {
      const misspelt: object = { alow: { regions: ["eu"] } }
      for (
        const call of [
          FailoverRouter.execute("chat", () => Effect.void, misspelt),
          Stream.runDrain(
            FailoverRouter.stream("chat", () => Stream.make("hello"), {
              classifyPart: StreamSignal.opaque,
              ...misspelt
            })
          )
        ]
      ) {
        assert.isTrue(Exit.hasDies(yield* Effect.exit(call)))
      }
    }).pipe(Effect.provide(router())))
})
