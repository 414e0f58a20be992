// Runs a case with a client: a real call over a real socket through a real breaker, and what the breaker made of it.
import { type FixtureFileResponse, LLMock } from "@copilotkit/aimock"
import { Context, Effect, Layer, Schema, Stream } from "effect"
import { CircuitBreaker, CircuitError, type CircuitPolicy, LlmOutcome, TripPolicy } from "effect-resilience"
import { CircuitTest, RecordedEvents, ScriptedProvider } from "effect-resilience/testing"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import type { Case } from "./case.ts"
import { cases } from "./cases.ts"
import { type Call, type Client, patienceMillis } from "./client.ts"
import { effectAi } from "./effectAi.ts"
import {
  fetched,
  fetchedResponse,
  httpClient,
  httpClientOnNode,
  httpClientReading,
  httpClientResponse
} from "./http.ts"
import { anthropic, google, openai } from "./official.ts"
import { aws } from "./shaped.ts"

export const clients: ReadonlyArray<Client> = [
  openai,
  anthropic,
  fetched,
  fetchedResponse,
  httpClient,
  httpClientReading,
  httpClientOnNode,
  httpClientResponse,
  effectAi,
  aws,
  google
]

export const clientsOf = (one: Case): ReadonlyArray<Client> =>
  clients.filter((client) =>
    client.serves(one.provider, one.mode) &&
    client.knows(one.how ?? "patient", one.mode) &&
    !one.without?.includes(client.name) &&
    // Of what comes after the headers a response says nothing, and there is no call to cut short any more.
    (client.reads !== "none" || one.row !== 8)
  )

/** What the client should make of the case: less than others, if it reads less. */
export const expectedOf = (one: Case, client: Client): string => {
  const special = one.except?.[client.name]
  if (special !== undefined) return special
  switch (client.reads) {
    case "all":
      return one.expected
    case "served":
      return one.blind ?? one.expected
    case "none":
      return one.raw ?? one.blind ?? one.expected
  }
}

/** Whether a verdict is the expected one: waits that are read from a date are a little shorter by now. */
export const agrees = (actual: string, expected: string): boolean => {
  const [wanted = "", approximate] = expected.split(" ~")
  if (approximate === undefined) return actual === expected
  const millis = Number(actual.slice(wanted.length))
  return actual.startsWith(`${wanted} `) && millis <= Number(approximate) + 1000 &&
    millis > Number(approximate) - 60_000
}

/** Where the case is to be had, for a client to ask. */
export class Providers extends Context.Service<Providers, {
  readonly urlOf: (one: Case) => string
  readonly promptOf: (one: Case) => string
  readonly abandoned: Effect.Effect<number>
}>()("test/conformance/Providers") {
  static readonly layer: Layer.Layer<Providers> = Layer.effect(
    Providers,
    Effect.gen(function*() {
      const provider = ScriptedProvider.make(({ path }) => {
        const answer = cases[Number(path.split("/")[1])]?.answer
        return Array.isArray(answer) ? answer : ScriptedProvider.text("no such case", { status: 599 })
      })
      const scripted = yield* listening(provider.handler)
      const mocked = yield* Effect.acquireRelease(
        Effect.promise(() => LLMock.create({ port: 0 })),
        (mock) => Effect.promise(() => mock.stop())
      )
      const closed = yield* Effect.scoped(listening(() => {}))
      const promptOf = (one: Case) => `case ${cases.indexOf(one)}.`
      for (const one of cases) {
        if (typeof one.answer === "object" && "aimock" in one.answer) {
          const response: FixtureFileResponse = one.answer.aimock
          mocked.onMessage(promptOf(one), response, one.answer.options)
        }
      }
      return {
        urlOf: (one) => {
          switch (one.answer) {
            case "refused":
              return `http://127.0.0.1:${closed}`
            case "tls":
              return `https://127.0.0.1:${scripted}`
            case "unresolved":
              // No label of a name is that long: nobody has to be asked.
              return `http://${"x".repeat(64)}.invalid`
            default:
              return "aimock" in one.answer ? mocked.url : `http://127.0.0.1:${scripted}/${cases.indexOf(one)}`
          }
        },
        promptOf,
        abandoned: provider.abandoned
      }
    })
  )
}

/** A server on a port of its own, gone with its scope. */
export const listening = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<readonly [port: number, close: () => void]>((resume) => {
      const server = createServer(listener)
      const close = () => {
        server.closeAllConnections()
        server.close()
      }
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed([(server.address() as AddressInfo).port, close])))
    }),
    ([, close]) => Effect.sync(close)
  ).pipe(Effect.map(([port]) => port))

/** What the breaker makes of the case: the outcome, its kind and its wait, as they show in events. */
export const verdictOf = (one: Case, client: Client): Effect.Effect<string, never, Providers> =>
  Effect.gen(function*() {
    const { promptOf, urlOf } = yield* Providers
    const call = { provider: one.provider, url: urlOf(one), prompt: promptOf(one), how: one.how ?? "patient" } as const
    const guarded = one.mode === "once"
      ? CircuitBreaker.execute(Effect.tap(client.once(call), afterwards(one)), { key: "model" })
      : consume(one, guardedStream(client, call, one))
    yield* Effect.exit(one.own === "interrupted" ? Effect.timeout(guarded, patienceMillis) : guarded)
    return yield* recorded
  }).pipe(Effect.provide(CircuitTest.layer({
    ...telling,
    attemptTimeout: one.attemptTimeout,
    classify: one.body ? LlmOutcome.classifyBody : LlmOutcome.classify
  })))

/** A policy by which every failure shows in an event, with its wait. */
export const telling: CircuitPolicy.CircuitPolicy = {
  tripPolicy: TripPolicy.consecutive(1),
  // So short that an opening lasts as long as the provider asked for.
  openDuration: "1 millis",
  maxOpenDuration: "24 hours"
}

/** The stream of a client, through the breaker. */
export const guardedStream = (
  client: Client,
  call: Call,
  limits: { readonly firstContentTimeout?: number; readonly idleTimeout?: number } = {}
) =>
  CircuitBreaker.stream(client.stream(call), {
    key: "model",
    classifyPart: client.classifyPart(call.provider),
    firstContentTimeout: limits.firstContentTimeout,
    idleTimeout: limits.idleTimeout
  })

const afterwards = ({ own }: Case): Effect.Effect<unknown, unknown> => {
  switch (own) {
    case "decoding":
      return Schema.decodeUnknownEffect(Schema.Struct({ city: Schema.String }))({})
    case "defect":
      return Effect.sync(() => (undefined as unknown as string).length)
    case "rejected":
      return Effect.fail(CircuitError.make({ _tag: "CircuitHalfOpen", key: "another" }))
    default:
      return Effect.void
  }
}

const consume = <A, E, R>({ own }: Case, stream: Stream.Stream<A, E, R>): Effect.Effect<unknown, unknown, R> => {
  switch (own) {
    case "stops":
      return Stream.runDrain(Stream.take(stream, 1))
    case "fails":
      return Stream.runForEach(stream, () => Effect.fail("the disk is full"))
    default:
      return Stream.runDrain(stream)
  }
}

/** How the one call ended. */
export const recorded = Effect.gen(function*() {
  const events = yield* RecordedEvents.RecordedEvents
  const [call, ...others] = yield* events.calls
  const [opened] = yield* events.of("circuit.opened")
  const [throttled] = yield* events.of("circuit.throttled")
  if (call === undefined || others.length > 0) return `${others.length + (call === undefined ? 0 : 1)} calls settled`
  if (call.result === "success") return "Success"
  if (throttled !== undefined) return `Throttled ${throttled.kind} ${throttled.retry_after_ms}`
  if (opened === undefined) return `Ignored ${call.kind}`
  const outcome = opened.reason === "open_now" ? "OpenNow" : "Failure"
  return `${outcome} ${opened.failure_kind}${opened.open_for_ms > 1 ? ` ${opened.open_for_ms}` : ""}`
})
