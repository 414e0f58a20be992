// No incident: a few calls to the provider that the environment names.
import { Config, Effect } from "effect"
import { ask, type Endpoint } from "./calls.ts"
import type { Script } from "./script.ts"
import { Story } from "./story.ts"
import { failures } from "./tally.ts"

/** None unless both the address and the key are set. */
export const endpoint = Config.option(
  Config.all({
    url: Config.URL("OPENAI_BASE_URL"),
    apiKey: Config.Redacted("OPENAI_API_KEY"),
    model: Config.NonEmptyString("OPENAI_MODEL").pipe(Config.withDefault("gpt-4o-mini"))
  }).pipe(
    Config.map(({ apiKey, model, url }): Endpoint => ({
      key: url.host,
      url: url.href.replace(/\/$/, ""),
      model,
      apiKey
    }))
  )
)

const prompts = ["Say hello in French.", "Say hello in Finnish.", "Say hello in Swahili."]

export const realProvider = (endpoint: Endpoint): Script => {
  const phases = [1, 2].map((round) => ({
    name: `round ${round}`,
    about: `${prompts.length} calls to ${endpoint.model} at ${endpoint.key}`,
    seconds: 5
  }))
  return {
    title: `calls to ${endpoint.key}`,
    phases,
    keys: [endpoint.key],
    attemptTimeout: "30 seconds",
    play: Effect.gen(function*() {
      const story = yield* Story
      for (const phase of phases) {
        yield* story.begin(phase)
        yield* Effect.forEach(prompts, (prompt) => Effect.ignore(ask(endpoint, prompt)), { concurrency: "unbounded" })
      }
    }),
    missing: Story.use(({ tallies: [tally] }) => {
      const unanswered = failures(tally!) + tally!.skipped
      const planned = prompts.length * phases.length
      return Effect.succeed(unanswered === 0 ? [] : [`${unanswered} of ${planned} calls were not answered`])
    })
  }
}
