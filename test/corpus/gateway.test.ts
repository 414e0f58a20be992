// Every case through the gateway, whose model of the same name has the case as its first target and a healthy second.
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { LlmStream } from "effect-resilience"
import { startGateway } from "../gateway/startGateway.ts"
import { type Case, cases, type Verdict, wantedOf } from "./case.ts"
import { serve } from "./provider.ts"

/** Who answered the call, and whether it counted at the circuit of the first target. */
interface Reaction {
  readonly served: "us" | "eu"
  readonly counted: boolean
}

const left: Reaction = { served: "eu", counted: true }
const passedOn: Reaction = { served: "eu", counted: false }
const kept: Reaction = { served: "us", counted: false }

/** What the gateway makes of a verdict. An account and a model are those of its own configuration. */
const reactionTo = ({ expected: { outcome }, form, body, gateway, status }: Case, verdict: Verdict): Reaction => {
  const { kind } = verdict
  if (gateway !== undefined) return gateway
  if (verdict.outcome === "Success") return kept
  if (verdict.outcome !== "Ignored") {
    return form === "sse" && hasContent(body) ? { ...left, served: "us" } : left
  }
  if (kind === "auth" || (kind === "invalid_request" && (status === 404 || status === 410))) return left
  return kind === "context_length" || (kind === "unknown" && outcome === "Ignored") ? passedOn : kept
}

/** Whether the caller has content already when the stream fails. */
const hasContent = (body: unknown) => {
  const signals = (body as ReadonlyArray<string>).map((line) => LlmStream.openAi(line)._tag)
  return signals.slice(0, signals.indexOf("Failed") >>> 0).includes("Content")
}

// The gateway speaks the form of OpenAI, and has limits of its own.
const asked = cases.filter(({ limits, reader = "openAi" }) => reader === "openAi" && limits === undefined)

const isEmpty = ({ body, form }: Case) => form === "answer" && !JSON.stringify(body).includes(`"choices":[{`)

const counting = /message=circuit\.(?:failure|opened|throttled)\b(?!.*not_counted=).*\bkey=([^ ]+)\/us\b/

const run = Effect.gen(function*() {
  const { healthy, url } = yield* serve(asked)
  const target = (name: string, path: string) => ({ name, baseUrl: `${url}/${path}`, model: "m", contextTokens: 1 })
  const gateway = yield* startGateway({
    models: Object.fromEntries(
      asked.map(({ id }) => [id, {
        targets: [target("us", id), { ...target("eu", `healthy/${id}`), contextTokens: 1e6 }]
      }])
    )
  })
  const ask = ({ form, id }: Case) =>
    Effect.promise(async () => {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: id, messages: [], stream: form === "sse" })
      })
      return [id, { status: response.status, text: await response.text() }] as const
    })
  const answers = new Map(yield* Effect.forEach(asked, ask, { concurrency: 16 }))
  const counted = new Set(gateway.log.flatMap((line) => counting.exec(line)?.[1] ?? []))
  return { answers, counted, healthy }
})

describe("the gateway, with a healthy second target,", () => {
  let seen: Effect.Success<typeof run>
  beforeAll(async () => {
    seen = await Effect.runPromise(Effect.scoped(run))
  })

  for (const entry of asked) {
    it(`${entry.id} [${entry.provider}]: ${entry.why}`, () => {
      const { id } = entry
      const got: Reaction = { served: seen.healthy.has(id) ? "eu" : "us", counted: seen.counted.has(id) }
      const wanted = wantedOf(entry).map((verdict) => reactionTo(entry, verdict))
      assert.deepInclude(wanted, got, seen.answers.get(id)!.text.slice(0, 200))
      // A refusal that came as an answer is an error for the caller, unless there is something in it.
      if (got.served === "us" && entry.expected.outcome === "Ignored" && isEmpty(entry)) {
        assert.isAtLeast(seen.answers.get(id)!.status, 400)
      }
      // What is right arrives whole, from wherever.
      if (got.served === "eu" || entry.expected.outcome === "Success") {
        const { status, text } = seen.answers.get(id)!
        assert.isBelow(status, 300, text)
        if (JSON.stringify(entry.body).includes("[DONE]")) assert.match(text, /data: \[DONE\]\s*$/)
      }
    })
  }
})
