/** The provider of every model of the incident: answers each as the script says, whole or as a stream. */
import { Effect, type Scope } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

type Answer = ScriptedProvider.Answer

/** How a model answers. `whole` and `streamed` get the number of the request to the model. */
export interface Behaviour {
  readonly whole: (request: number) => Answer
  readonly streamed: (request: number) => Answer
}

export interface Provider {
  readonly url: string
  /** From now on. */
  readonly behave: (model: string, behaviour: Behaviour) => Effect.Effect<void>
}

const words = (text: string): ScriptedProvider.Part => ({
  data: { choices: [{ index: 0, delta: { content: text }, finish_reason: null }] }
})

const answer = ScriptedProvider.json({ choices: [{ index: 0, message: { role: "assistant", content: "hello" } }] })

const story: ReadonlyArray<ScriptedProvider.Part> = [
  { pause: "80 millis" },
  words("Once "),
  { pause: "30 millis" },
  words("upon "),
  { pause: "150 millis" },
  words("a time."),
  { data: { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] } },
  { data: "[DONE]" }
]

export const healthy: Behaviour = {
  whole: (request) => request % 25 === 0 ? ScriptedProvider.late(answer, "700 millis") : answer,
  streamed: () => ScriptedProvider.events(story)
}

const error = (status: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  ScriptedProvider.json({ error: { message: "not now" } }, { status, headers })

const always = (answer: Answer): Behaviour => ({ whole: () => answer, streamed: () => answer })

/** Our key has expired. */
export const expired: Behaviour = always(error(401))

/** Fails in every way in which providers fail: by status, by the connection, by silence, and in the middle of a stream. */
export const broken: Behaviour = {
  whole: (request) => ways[request % ways.length]!,
  streamed: (request) => request % 2 === 0 ? error(503) : breaking.streamed(request)
}

const ways: ReadonlyArray<Answer> = [
  error(503),
  ScriptedProvider.reset,
  error(529),
  error(500),
  ScriptedProvider.silence
]

export const unavailable = always(error(503))
export const overloaded = always(error(529))
export const unreachable = always(ScriptedProvider.reset)

/** Streams end in the middle. */
export const breaking: Behaviour = {
  ...healthy,
  streamed: () => ScriptedProvider.cut(ScriptedProvider.events(story.slice(0, 3)))
}

/** Two of five requests fail, now and then by silence. */
export const ailing: Behaviour = {
  ...healthy,
  whole: (request) => request % 5 > 1 ? answer : request % 25 === 0 ? ScriptedProvider.silence : error(500)
}

/** Healthy, but asks everybody to wait. */
export const busy = always(error(429, { "retry-after": "1" }))

/** The request is wrong, and the provider fine. */
export const refusing = always(error(400))

/** Takes longer than the circuit stays closed. */
export const slow = always(ScriptedProvider.late(answer, "900 millis"))

export const make: Effect.Effect<Provider, never, Scope.Scope> = Effect.gen(function*() {
  const models = new Map<string, { behaviour: Behaviour; requests: number }>()
  const of = (name: string) => {
    const model = models.get(name) ?? { behaviour: healthy, requests: 0 }
    models.set(name, model)
    return model
  }
  const { handler } = ScriptedProvider.make(({ body, path }) => {
    const model = of(path.slice(1))
    const { streamed, whole } = model.behaviour
    const request = model.requests++
    return typeof body === "object" && body !== null && "stream" in body ? streamed(request) : whole(request)
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
      const server = createServer(handler)
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ port, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ port }) => port))
  return {
    url: `http://127.0.0.1:${port}`,
    behave: (model, behaviour) => Effect.sync(() => void (of(model).behaviour = behaviour))
  }
})
