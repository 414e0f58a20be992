// The configuration: a JSON file, named by the variable GATEWAY_CONFIG.
//
//   {
//     "port": 8080,
//     "apiKey": "key-of-callers",
//     "rescueParts": 64,
//     "models": {
//       "chat": {
//         "targets": [
//           { "name": "us", "baseUrl": "https://us.example.com/v1", "apiKey": "key-of-us", "model": "gpt-5" },
//           { "name": "eu", "baseUrl": "https://eu.example.com/v1", "apiKey": "key-of-eu", "model": "gpt-5" }
//         ]
//       }
//     }
//   }
//
// The first target of a model is its primary. `"host": "0.0.0.0"` lets other machines reach it. Without a key everybody
// may call; with one it is also the operator's token of the console. `rescueParts` are held back of each stream, so
// that one that breaks within them starts again at another target. `attemptTimeout` is for answers in one piece,
// `firstContentTimeout` and `idleTimeout` are for streams, such as "30 seconds"; the defaults of the library leave time
// for models that think.
import { Config, Duration, Effect, FileSystem, Schema, SchemaIssue } from "effect"
import { ConfigurationError } from "./configurationError.ts"

const Name = Schema.String.check(
  Schema.isPattern(/^[\x21-\x7e]{1,200}$/, { message: "must be of visible ASCII characters, without spaces" })
)
const Key = Schema.RedactedFromValue(Name)
const Text = Schema.String.check(Schema.isPattern(/\S/, { message: "must not be blank" }))

const Limit = Schema.optionalKey(
  Schema.DurationFromString.check(
    Schema.makeFilter((limit) => Duration.toMillis(limit) >= 1, { message: "must be a duration of at least 1 ms" })
  )
)

const Target = Schema.Struct({
  /** As headers, logs and metrics call it. */
  name: Name,
  baseUrl: Schema.String.check(
    Schema.makeFilter((url) => /^https?:$/.test(URL.parse(url)?.protocol ?? ""), {
      message: "must be the URL of an API, such as https://api.openai.com/v1"
    })
  ),
  apiKey: Schema.optionalKey(Key),
  /** What the target itself calls the model. */
  model: Text,
  /** For callers whose data must stay in some regions. */
  region: Schema.optionalKey(Text),
  /** A prompt that is too long for one target goes on to larger ones only. */
  contextTokens: Schema.optionalKey(
    Schema.Int.check(Schema.isGreaterThan(0, { message: "must be a whole number above 0" }))
  )
})

const Model = Schema.Struct({
  targets: Schema.NonEmptyArray(Target).check(
    Schema.makeFilter((targets) => new Set(targets.map(({ name }) => name)).size === targets.length, {
      message: "must not have two targets of the same name"
    })
  )
})

const Configuration = Schema.Struct({
  /** Where it listens. Default: only this machine reaches it. */
  host: Schema.optional(Text),
  port: Schema.Int.check(
    Schema.isBetween({ minimum: 0, maximum: 65_535 }, { message: "must be a port, or 0 for any that is free" })
  ),
  apiKey: Schema.optionalKey(Key),
  rescueParts: Schema.optionalKey(
    Schema.Int.check(
      Schema.isBetween({ minimum: 0, maximum: 100_000 }, { message: "must be a whole number from 0 to 100000" })
    )
  ),
  attemptTimeout: Limit,
  firstContentTimeout: Limit,
  idleTimeout: Limit,
  models: Schema.Record(Schema.String, Model).check(
    Schema.makeFilter((models) => Object.keys(models).length > 0, { message: "must have at least one model" }),
    Schema.makeFilter((models) => Object.keys(models).every((name) => name.trim() !== ""), {
      message: "must not have a model without a name"
    }),
    Schema.makeFilter((models) => {
      const names = Object.entries(models).flatMap(([model, { targets }]) =>
        targets.map(({ name }) => `${model}/${name}`)
      )
      return new Set(names).size === names.length
    }, { message: "must not make the same name of model/target twice: rename one of them" })
  )
})

export type Configuration = typeof Configuration.Type
export type Target = typeof Target.Type

/** Reads the text of a configuration; `source` is what to call it. */
export const decode = (text: string, source: string): Effect.Effect<Configuration, ConfigurationError> =>
  Effect.gen(function*() {
    const json = yield* Effect.try({
      try: (): unknown => JSON.parse(text),
      catch: (error) => new ConfigurationError({ message: `${source} is not JSON${placeOf(error)}` })
    })
    return yield* Schema.decodeUnknownEffect(Configuration)(json, { onExcessProperty: "error", errors: "all" }).pipe(
      Effect.mapError(({ issue }) =>
        new ConfigurationError({ message: [`${source} is not a configuration:`, ...sentences(issue)].join("\n  ") })
      )
    )
  })

export const load = Effect.gen(function*() {
  const file = yield* Config.NonEmptyString("GATEWAY_CONFIG").pipe(
    Effect.mapError(() =>
      new ConfigurationError({
        message: "GATEWAY_CONFIG is not set: it has to name a JSON file with the configuration"
      })
    )
  )
  const files = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    files.readFileString(file),
    ({ reason }) => new ConfigurationError({ message: `GATEWAY_CONFIG: cannot read ${file} (${reason._tag})` })
  )
  return yield* decode(text, file)
})

// The rest of the message quotes the text, and so a key perhaps.
const placeOf = (error: unknown) => {
  const place = /line \d+ column \d+/.exec(error instanceof Error ? error.message : "")
  return place === null ? "" : `: see ${place[0]}`
}

/** One for each value that is wrong, without the values. */
const sentences = (issue: SchemaIssue.Issue): ReadonlyArray<string> =>
  format(issue).issues.map(({ message, path }) => {
    const place = (path ?? []).map((key) => typeof key === "object" ? key.key : key)
      .reduce<string>((text, key) => text + (typeof key === "number" ? `[${key}]` : `.${String(key)}`), "")
    return `${place.slice(1) || "it"} ${message.replace(/^Expected/, "must be")}`
  })

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    switch (issue._tag) {
      case "MissingKey":
        return "is missing"
      case "UnexpectedKey":
        return "is not a field that is known here"
      default:
        return SchemaIssue.defaultLeafHook(issue).replace(/^Expected/, "must be of type")
    }
  }
})
