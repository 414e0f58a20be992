// What targets carry: calls get it as it was given, and nobody else does.
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Config,
  ConfigProvider,
  Context,
  Effect,
  Exit,
  Formatter,
  Layer,
  Logger,
  Schedule,
  Stream
} from "effect"
import { CircuitPolicy, FailoverError, FailoverRoute, FailoverRouter, StreamSignal } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { breaker, classify, down, failure } from "./targets.ts"

/** A client with a state and a secret. */
class Client {
  readonly region: string
  readonly apiKey = "sk-secret"
  calls = 0

  constructor(region: string) {
    this.region = region
  }

  get chat() {
    return Effect.sync(() => `${this.region} ${++this.calls}`)
  }
}

const clients = () => {
  const [us, eu] = [new Client("Virginia"), new Client("Frankfurt")]
  const chat = FailoverRoute.make("chat", {
    targets: [{ name: "us", payload: us }, { name: "eu", payload: eu }]
  })
  return { us, eu, chat }
}

const routing = <Route extends FailoverRoute.FailoverRoute>(
  options: FailoverRouter.Options<Route>,
  policy?: CircuitPolicy.CircuitPolicy
) => FailoverRouter.layer({ classify, ...options }).pipe(Layer.provideMerge(breaker(policy)))

describe("what a target carries", () => {
  it.effect("is what its call gets: the same object, which may change", () => {
    const { chat, us } = clients()
    return Effect.gen(function*() {
      const call = FailoverRouter.execute(chat, (target) => target.payload.chat)
      assert.strictEqual(yield* call, "Virginia 1")
      assert.strictEqual(yield* call, "Virginia 2")
      assert.strictEqual(us.calls, 2)
      assert.strictEqual((yield* FailoverRouter.activeTarget(chat)).payload, us)
      assert.isFalse(Object.isFrozen(us))
    }).pipe(Effect.provide(routing({ routes: [chat] })))
  })

  it.effect("is that of the target that is asked", () => {
    const { chat, eu } = clients()
    return Effect.gen(function*() {
      const asked: Array<Client> = []
      const parts = FailoverRouter.stream(chat, ({ name, payload }) => {
        asked.push(payload)
        return name === "us" ? Stream.fromEffect(down) : Stream.make(payload.region)
      }, { classifyPart: () => StreamSignal.finish({ _tag: "Success" }) })
      assert.deepStrictEqual(yield* Stream.runCollect(parts), ["Frankfurt"])
      assert.deepStrictEqual(asked.map(({ region }) => region), ["Virginia", "Frankfurt"])
      assert.strictEqual(yield* FailoverRouter.execute(chat, ({ payload }) => payload.chat), "Frankfurt 1")
      assert.strictEqual(eu.calls, 1)
    }).pipe(Effect.provide(routing({ routes: [chat] })))
  })

  it.effect("is what health probes and retries get", () => {
    const { chat, eu, us } = clients()
    const probed: Array<Client> = []
    const retried: Array<Client> = []
    return Effect.gen(function*() {
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(probed, [eu])
      yield* Effect.exit(FailoverRouter.execute(chat, () => down))
      assert.include(retried, us)
    }).pipe(Effect.provide(routing({
      routes: [chat],
      healthProbe: ({ payload }) => Effect.sync(() => probed.push(payload) > 0),
      retry: ({ payload }) => {
        retried.push(payload)
        return Schedule.recurs(0)
      }
    })))
  })

  it.effect("can come from one function for all, asked once for each; what a target says itself is before it", () => {
    const asked: Array<string> = []
    const chat = FailoverRoute.make("chat", {
      targets: ["us", { name: "eu", region: "eu", payload: "its own" }],
      payload: ({ key, name, payload }) => {
        asked.push(`${key} ${payload}`)
        return `made for ${name}`
      }
    })
    return Effect.gen(function*() {
      const at = (name: string) =>
        FailoverRouter.execute(chat, ({ payload }) => Effect.succeed(payload), { allow: { targets: [name] } })
      assert.deepStrictEqual([yield* at("us"), yield* at("us"), yield* at("eu")], [
        "made for us",
        "made for us",
        "its own"
      ])
      assert.deepStrictEqual(asked, ["chat/us undefined"])
    }).pipe(Effect.provide(routing({ routes: [chat] })))
  })

  it.effect("may be any value, and is undefined where nothing was given", () => {
    const values = [null, 0, "", false, Symbol.iterator] as const
    const chat = FailoverRoute.make("chat", {
      targets: [...values.map((payload, index) => ({ name: `t${index}`, payload })), "none"]
    })
    return Effect.gen(function*() {
      const [state] = yield* FailoverRouter.snapshot
      assert.deepStrictEqual(state?.targets.map(({ target }) => target.payload), [...values, undefined])
    }).pipe(Effect.provide(routing({ routes: [chat] })))
  })

  it.effect("is not for calls of another route of the same name: the router does not know that one", () => {
    const { chat } = clients()
    const other = FailoverRoute.make("chat", { targets: [{ name: "us", payload: "no client" }] })
    return Effect.gen(function*() {
      let asked = 0
      const call = FailoverRouter.execute(other, ({ payload }) => Effect.sync(() => (asked++, payload.length)))
      const { message, reason } = yield* failure(call)
      assert.deepStrictEqual(reason, { _tag: "UnknownRoute", route: "chat" })
      assert.strictEqual(message, "this router has no route \"chat\", or one of that name that is another value")
      assert.isTrue(FailoverError.isFailoverError(yield* Effect.flip(FailoverRouter.activeTarget(other))))
      assert.isTrue(FailoverError.isFailoverError(yield* Effect.flip(FailoverRouter.isFailedOver(other))))
      assert.isTrue(FailoverError.isFailoverError(yield* Effect.flip(FailoverRouter.reset(other))))
      assert.strictEqual(asked, 0)
    }).pipe(Effect.provide(routing({ routes: [chat] })))
  })

  it.effect("is not there for a call by name either, but for who looks", () => {
    const { chat, us } = clients()
    return Effect.gen(function*() {
      assert.strictEqual(yield* FailoverRouter.execute("chat", ({ payload }) => Effect.succeed(payload)), us)
    }).pipe(Effect.provide(routing({ routes: [chat] })))
  })
})

describe("nothing that is written shows what a target carries", () => {
  it.effect("neither a target nor a snapshot, as JSON, as text or in a log", () => {
    const { chat } = clients()
    let logged = ""
    const logger = Logger.layer([
      Logger.map(Logger.formatJson, (line) => void (logged += line)),
      Logger.map(Logger.formatStructured, (line) => void (logged += inspect(line, { depth: 20 })))
    ])
    return Effect.gen(function*() {
      const target = yield* FailoverRouter.activeTarget(chat)
      const snapshot = yield* FailoverRouter.snapshot
      yield* Effect.log(target, snapshot).pipe(Effect.annotateLogs({ target }), Effect.provide(logger))
      for (
        const text of [
          JSON.stringify([target, snapshot]),
          inspect([target, snapshot], { depth: 20 }),
          Formatter.format([target, snapshot]),
          Formatter.formatJson([target, snapshot]),
          logged
        ]
      ) {
        assert.include(text, "chat/us")
        assert.notInclude(text, "secret")
      }
    }).pipe(Effect.provide(routing({ routes: [chat] })))
  })

  it.effect("nor an event", () => {
    const { chat } = clients()
    return Effect.gen(function*() {
      yield* Effect.exit(FailoverRouter.execute(chat, () => down))
      const { all } = yield* RecordedEvents.RecordedEvents
      const events = yield* all
      assert.include(events.map(({ event }) => event), "failover.exhausted")
      assert.notInclude(inspect(events, { depth: 20, showHidden: true }), "secret")
    }).pipe(Effect.provide(routing({ routes: [chat] })))
  })

  const secret = { payload: { apiKey: "sk-secret" } }
  it.effect.each([
    ["a target without a name", [secret]],
    ["a tier for some only", [{ name: "us", tier: 1, ...secret }, { name: "eu", ...secret }]],
    ["a name twice", [{ name: "us", ...secret }, { name: "us", ...secret }]],
    ["a field that there is not", [{ name: "us", paylaod: secret }]],
    ["a list in a list", [[{ name: "us", ...secret }]]],
    ["an object in place of the list", { us: secret }]
  ])("nor the error of a route that is refused: %s", ([, targets]) =>
    Effect.gen(function*() {
      const routes = [{ name: "chat", options: { targets } }] as never
      const exit = yield* Effect.exit(Effect.scoped(Layer.build(routing({ routes }))))
      assert(Exit.isFailure(exit))
      const error = Cause.squash(exit.cause)
      assert.instanceOf(error, CircuitPolicy.InvalidOptions)
      assert.notInclude(inspect(error, { depth: 20, showHidden: true }), "secret")
    }))
})

describe("routes from configuration", () => {
  const from = <Route extends FailoverRoute.Configured>(
    routes: ReadonlyArray<Route>,
    json: unknown,
    options: Omit<FailoverRouter.ConfigOptions<Route>, "routes"> = {}
  ) =>
    FailoverRouter.layerConfig({ classify, ...options, routes }).pipe(
      Layer.provideMerge(breaker()),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ FAILOVER_ROUTES: JSON.stringify(json) })))
    )
  const configured = () => FailoverRoute.fromConfig("chat", ({ name, region }) => new Client(`${name} in ${region}`))

  it.effect("carry what code gives their targets: for calls, by value and by name, and for probes", () => {
    const chat = configured()
    const probed: Array<string> = []
    return Effect.gen(function*() {
      const call = FailoverRouter.execute(chat, ({ payload }) => payload.chat)
      assert.deepStrictEqual([yield* call, yield* call], ["us in us 1", "us in us 2"])
      const byName = FailoverRouter.execute("chat", ({ payload }) => Effect.succeed((payload as Client).calls))
      assert.strictEqual(yield* byName, 2)
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(probed, ["eu in eu"])
    }).pipe(Effect.provide(from([chat], {
      chat: { targets: [{ name: "us", region: "us" }, { name: "eu", region: "eu" }] }
    }, { healthProbe: ({ payload }) => Effect.sync(() => probed.push(payload.region) > 0) })))
  })

  it.effect.each(
    [
      ["one that configuration lacks", {}, "FAILOVER_ROUTES must be an object with at least one route"],
      ["one that has another name there", { caht: { targets: ["us"] } }, "routes must be one of caht, but is \"chat\""],
      [
        "one that no code carries for",
        { chat: { targets: ["us"] }, draft: { targets: ["us"] } },
        "routes must be one of chat, but is \"draft\""
      ]
    ] as const
  )("are all of them, or it is a ConfigError: %s", ([, json, sentence]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(Layer.build(from([configured()], json))))
      assert.instanceOf(error, Config.ConfigError)
      assert.include(error.message, sentence)
    }))

  it.effect("that JSON gave elsewhere carry what their reader gives them", () =>
    Effect.gen(function*() {
      const [chat] = yield* FailoverRoute.decode({ chat: { targets: ["us"] } }, ({ key }) => new Client(key))
      const context = yield* Layer.build(routing({ routes: [chat!] }))
      const router = Context.get(context, FailoverRouter.FailoverRouter)
      assert.strictEqual(yield* router.execute(chat!, ({ payload }) => payload.chat), "chat/us 1")
    }))
})
