// @effect-diagnostics unknownInEffectCatch:off programs hand what they catch to the judgement as it is
/** The three ways in which a program asks a provider: by `fetch`, by a guarded client, and for a stream. */
import { Effect, type Exit, Stream } from "effect"
import { CircuitBreaker, LlmOutcome, LlmStream, type Outcome } from "effect-resilience"
import { GuardedHttpClient } from "effect-resilience/http"
import { FetchHttpClient, HttpClient } from "effect/http"
import { ProviderError } from "../support/ProviderError.ts"
import type { Case } from "./case.ts"

/** Gets what a classifier said of a call. */
export type Note = (outcome: Outcome.Outcome, row: string) => void

/** A classifier of the package that is heard: what it says first, or of a failure that comes after a success. */
const noted =
  (note: Note, classify: (exit: Exit.Exit<unknown, unknown>) => Outcome.Outcome, options?: LlmOutcome.Options) =>
  (exit: Exit.Exit<unknown, unknown>): Outcome.Outcome => {
    const outcome = classify(exit)
    note(outcome, LlmOutcome.explain(exit, options).row)
    return outcome
  }

const headers = { accept: "application/json", "content-type": "application/json" }

/** `fetch` within `CircuitBreaker.execute`. */
export const byExecute = (url: string, { id }: Case, note: Note) =>
  Effect.tryPromise({
    try: async (signal): Promise<unknown> => {
      const response = await fetch(`${url}/${id}`, { method: "POST", headers, body: "{}", signal })
      const text = await response.text()
      if (!response.ok) throw new ProviderError(response, text)
      return JSON.parse(text)
    },
    catch: (error) => error
  }).pipe(
    CircuitBreaker.execute({ key: id, classify: noted(note, LlmOutcome.classifyBody, { body: true }) }),
    Effect.exit
  )

/** A client of `effect/http` behind circuits. */
export const byGuardedClient = (url: string, { id }: Case, note: Note) =>
  Effect.gen(function*() {
    const client = GuardedHttpClient.withCircuitBreaker(yield* HttpClient.HttpClient, {
      key: id,
      classify: noted(note, LlmOutcome.classify),
      classifyBody: noted(note, LlmOutcome.classifyBody, { body: true })
    })
    const response = yield* client.post(`${url}/${id}`, { headers })
    return yield* response.status < 400 ? response.json : response.text
  }).pipe(Effect.exit, Effect.provide(FetchHttpClient.layer))

interface Event {
  readonly event: string
  readonly data: string
}

/** Server-sent events, as any client hands them out. */
async function* eventsOf(response: Response): AsyncGenerator<Event> {
  const decoder = new TextDecoder()
  let [rest, event] = ["", "message"]
  let data: Array<string> = []
  for await (const bytes of response.body!) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split(/\r?\n/)
    rest = lines.pop()!
    for (const line of lines) {
      if (line.startsWith("event:")) event = line.slice(6).trim()
      if (line.startsWith("data:")) data.push(line.slice(5).trimStart())
      if (line !== "") continue
      if (data.length > 0) yield { event, data: data.join("\n") }
      event = "message"
      data = []
    }
  }
}

const { anthropic, gemini, openAi } = LlmStream
const readers = { anthropic, gemini, openAi }

/** `fetch` within `CircuitBreaker.stream`, with the reader of the case. */
export const byStream = (url: string, { id, limits, reader = "openAi" }: Case, note: Note) =>
  Stream.unwrap(
    Effect.tryPromise({
      try: (signal) => fetch(`${url}/${id}`, { method: "POST", headers, body: "{\"stream\":true}", signal }),
      catch: (error) => error
    }).pipe(Effect.map((response) => Stream.fromAsyncIterable(eventsOf(response), (error) => error)))
  ).pipe(
    CircuitBreaker.stream({
      key: id,
      classifyPart: (part: Event) => {
        const signal = readers[reader](part)
        if (signal._tag === "Finish" || signal._tag === "Failed") note(signal.outcome, signal._tag)
        return signal
      },
      // Far beyond what a busy machine takes: only cases with limits of their own are about time.
      firstContentTimeout: limits?.firstContent ?? 60_000,
      idleTimeout: limits?.idle ?? 60_000
    }),
    Stream.runDrain,
    Effect.exit
  )
