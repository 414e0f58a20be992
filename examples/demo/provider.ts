// An OpenAI-compatible provider inside this process, on a free loopback port, whose behaviour can be changed.
import { createServer, type FixtureResponse, type ServerInstance } from "@copilotkit/aimock"
import { Effect, Schedule, type Scope } from "effect"
import type { Endpoint } from "./calls.ts"

export type Behaviour = "healthy" | "overloaded" | "throttled" | "dead"

export interface Provider extends Endpoint {
  /** Until the scope ends. Only then it has a URL. */
  readonly start: Effect.Effect<void, never, Scope.Scope>
  readonly become: (behaviour: Behaviour) => Effect.Effect<void>
}

export const make = (name: string): Provider => {
  let behaviour: Behaviour = "healthy"
  let calls = 0
  let throttledUntil = 0

  const respond = async (): Promise<FixtureResponse> => {
    calls++
    switch (behaviour) {
      case "overloaded":
        await wait(20, 40)
        return calls % 2 === 0 ? refusal(503, "Service unavailable") : refusal(529, "Overloaded")
      case "throttled": {
        if (calls > allowance) {
          calls = 0
          throttledUntil = Date.now() + 1000
        }
        if (Date.now() < throttledUntil) return { ...refusal(429, "Rate limit reached"), retryAfter: 1 }
        break
      }
      default:
    }
    await wait(60, 140)
    return { content: `Hello from ${name}.` }
  }

  // Its own port may be taken for a moment after the server before has gone.
  const serve = (port: number) =>
    Effect.tryPromise(() => createServer([{ match: { endpoint: "chat" }, response: respond }], { port })).pipe(
      Effect.retry(Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(10)])),
      Effect.orDie
    )

  let running: ServerInstance | undefined
  let url = ""

  // As a crash would: cuts off the requests that wait for an answer.
  const stop = Effect.callback<void>((resume) => {
    if (running === undefined) return resume(Effect.void)
    running.server.close(() => resume(Effect.void))
    running.server.closeAllConnections()
    running = undefined
  })
  const start = Effect.gen(function*() {
    running = yield* serve(0)
    url = running.url
    yield* Effect.addFinalizer(() => stop)
  })

  const become = Effect.fnUntraced(function*(next: Behaviour) {
    behaviour = next
    calls = 0
    if (next === "dead") yield* stop
    else running ??= yield* serve(Number(new URL(url).port))
  })

  return {
    get url() {
      return `${url}/v1`
    },
    model: "mock",
    apiKey: undefined,
    start,
    become
  }
}

// Calls that a throttled provider answers before it asks for a second of rest.
const allowance = 10

const refusal = (status: number, message: string) => ({ error: { message }, status })

const wait = (least: number, most: number) =>
  new Promise<void>((resolve) => setTimeout(resolve, least + Math.random() * (most - least)))
