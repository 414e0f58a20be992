// No incident: a few calls to the provider that the environment names. A scripted one stands in if that fails.
import { Config, Effect } from "effect"
import type { Endpoint } from "./calls.ts"
import * as Provider from "./provider.ts"
import { ask, over } from "./resilience.ts"
import type { Script } from "./script.ts"
import { Story } from "./story.ts"

interface RealEndpoint extends Endpoint {
  readonly host: string
}

/** None unless both the address and the key are set. */
export const endpoint = Config.option(
  Config.all({
    url: Config.URL("OPENAI_BASE_URL"),
    apiKey: Config.Redacted("OPENAI_API_KEY"),
    model: Config.NonEmptyString("OPENAI_MODEL").pipe(Config.withDefault("gpt-4o-mini"))
  }).pipe(
    Config.map(({ apiKey, model, url }): RealEndpoint => ({
      host: url.host,
      url: url.href.replace(/\/$/, ""),
      model,
      apiKey
    }))
  )
)

const prompts = ["Say hello in French.", "Say hello in Finnish.", "Say hello in Swahili."]

const standIn = "stand-in"

export const realProvider = (endpoint: RealEndpoint): Script => {
  const { host, model } = endpoint
  const other = Provider.make(standIn)
  const phases = [1, 2].map((round) => ({
    name: `round ${round}`,
    about: `${prompts.length} calls to ${model} at ${host}`,
    seconds: 5
  }))
  return {
    title: `calls to ${host}`,
    phases,
    regions: [host, standIn],
    chat: over({ [host]: endpoint, [standIn]: other }, "30 seconds"),
    maxWait: "30 seconds",
    play: Effect.gen(function*() {
      const story = yield* Story
      yield* other.start
      for (const phase of phases) {
        yield* story.begin(phase)
        yield* Effect.forEach(prompts, (prompt) => Effect.ignore(ask(prompt)), { concurrency: "unbounded" })
      }
    }),
    // What the stand-in says is no answer to the question whether the provider works.
    missing: Story.use(({ tallies: [real] }) => {
      const planned = prompts.length * phases.length
      const unanswered = planned - real.answered
      return Effect.succeed(unanswered === 0 ? [] : [`${unanswered} of ${planned} calls were not answered by ${host}`])
    })
  }
}
