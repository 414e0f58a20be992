import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, FileSystem, Redacted } from "effect"
import { load } from "../../examples/gateway/configuration.ts"

const us = { name: "us", baseUrl: "https://us.example.com/v1", apiKey: "sk-us", model: "gpt-5", region: "us" }
const valid = { port: 0, apiKey: "sk-gateway", rescueParts: 64, models: { chat: { targets: [us] } } }

/** Loads what a file of this text says. */
const loaded = (text: string) =>
  load.pipe(
    Effect.provideService(FileSystem.FileSystem, FileSystem.makeNoop({ readFileString: () => Effect.succeed(text) })),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ GATEWAY_CONFIG: "gateway.json" })))
  )

const messageFor = (value: unknown) =>
  Effect.map(Effect.flip(loaded(typeof value === "string" ? value : JSON.stringify(value))), ({ message }) => message)

const withTarget = (...targets: ReadonlyArray<object>) => ({ ...valid, models: { chat: { targets } } })

describe("configuration", () => {
  it.effect("is read as it is, and its keys are hidden", () =>
    Effect.gen(function*() {
      const { apiKey, models, port, rescueParts } = yield* loaded(JSON.stringify(valid))
      assert.deepStrictEqual([port, rescueParts, Object.keys(models)], [0, 64, ["chat"]])
      const [target] = models["chat"]!.targets
      assert.deepStrictEqual([apiKey, target.apiKey].map((key) => Redacted.value(key!)), ["sk-gateway", "sk-us"])
      assert.notInclude(JSON.stringify(models), "sk-us")
    }))

  it.effect("needs no more than a model with a target", () =>
    Effect.gen(function*() {
      const { name, baseUrl, model } = us
      const { apiKey, rescueParts } = yield* loaded(
        JSON.stringify({ port: 8080, models: { chat: { targets: [{ name, baseUrl, model }] } } })
      )
      assert.deepStrictEqual([apiKey, rescueParts], [undefined, undefined])
    }))

  it.effect("can set the limits, and lift them", () =>
    Effect.gen(function*() {
      const { firstContentTimeout, idleTimeout } = yield* loaded(
        JSON.stringify({ ...valid, firstContentTimeout: "30 seconds", idleTimeout: "Infinity" })
      )
      assert.deepStrictEqual([firstContentTimeout, idleTimeout], [Duration.seconds(30), Duration.infinity])
    }))

  it.effect("says which variable is missing", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(load).pipe(
        Effect.provide([FileSystem.layerNoop({}), ConfigProvider.layer(ConfigProvider.fromUnknown({}))])
      )
      assert.strictEqual(message, "GATEWAY_CONFIG is not set: it has to name a JSON file with the configuration")
    }))

  it.effect("says which file is missing", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(load).pipe(
        Effect.provide([
          FileSystem.layerNoop({}),
          ConfigProvider.layer(ConfigProvider.fromUnknown({ GATEWAY_CONFIG: "gateway.json" }))
        ])
      )
      assert.strictEqual(message, "GATEWAY_CONFIG: cannot read gateway.json (NotFound)")
    }))

  it.effect("says where the text stops to be JSON, without the text", () =>
    Effect.gen(function*() {
      const message = yield* messageFor("{ \"port\": 0,\n  \"apiKey\": \"sk-gateway\" \"models\": {} }")
      assert.strictEqual(message, "gateway.json is not JSON: see line 2 column 26")
      assert.strictEqual(yield* messageFor("sk-gateway"), "gateway.json is not JSON")
    }))

  it.effect("says what is wrong, one line for each, without the values", () =>
    Effect.gen(function*() {
      const message = yield* messageFor({
        port: "8080",
        apiKey: 17,
        apikey: "sk-typo",
        models: {
          chat: {
            targets: [
              { ...us, apiKey: "sk with spaces", contextTokens: -1 },
              { name: "eu", baseUrl: "eu.example.com", token: "sk-typo" }
            ]
          }
        }
      })
      assert.sameMembers(message.split("\n  "), [
        "gateway.json is not a configuration:",
        "port must be of type number",
        "apiKey must be of type string",
        "apikey is not a field that is known here",
        "models.chat.targets[0].apiKey must be of visible ASCII characters, without spaces",
        "models.chat.targets[0].contextTokens must be a whole number above 0",
        "models.chat.targets[1].baseUrl must be the URL of an API, such as https://api.openai.com/v1",
        "models.chat.targets[1].token is not a field that is known here",
        "models.chat.targets[1].model is missing"
      ])
      assert.notMatch(message, /sk|17|8080/)
    }))

  for (
    const [what, value, expected] of [
      ["no model", { ...valid, models: {} }, "models must have at least one model"],
      [
        "a model without a name",
        { ...valid, models: { "": valid.models.chat } },
        "models must not have a model without a name"
      ],
      [
        "two targets that make one name",
        {
          ...valid,
          models: { a: { targets: [{ ...us, name: "b/c" }] }, "a/b": { targets: [{ ...us, name: "c" }] } }
        },
        "models must not make the same name of model/target twice: rename one of them"
      ],
      ["no target", withTarget(), "models.chat.targets[0] is missing"],
      ["a name twice", withTarget(us, us), "models.chat.targets must not have two targets of the same name"],
      [
        "a name that is no header",
        withTarget({ ...us, name: "ü\n" }),
        "models.chat.targets[0].name must be of visible"
      ],
      ["a blank model", withTarget({ ...us, model: " " }), "models.chat.targets[0].model must not be blank"],
      ["a port that is none", { ...valid, port: 65_536 }, "port must be a port, or 0"],
      ["a limit that is none", { ...valid, idleTimeout: "soon" }, "idleTimeout must be"],
      ["a limit of nothing", { ...valid, idleTimeout: "0 seconds" }, "idleTimeout must be a duration of at least 1 ms"],
      ["half a part", { ...valid, rescueParts: 0.5 }, "rescueParts must be"],
      ["a list", [], "it must be of type object"]
    ] as const
  ) {
    it.effect(`refuses ${what}`, () =>
      Effect.map(messageFor(value), (message) => {
        assert.include(message, expected)
      }))
  }
})
