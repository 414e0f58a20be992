/** A case: two providers, the gateway before them, and its callers. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll } from "vitest"
import type { Answer } from "./Answer.ts"
import * as Caller from "./Caller.ts"
import * as Gateway from "./Gateway.ts"
import * as Provider from "./Provider.ts"
import type { Reply } from "./replies.ts"
import { slack } from "./storyTime.ts"
import * as Table from "./Table.ts"

/** What the two providers answer, "whole" by default, and how the gateway is configured. */
export interface Setting {
  readonly us?: ReadonlyArray<Reply> | undefined
  readonly eu?: ReadonlyArray<Reply> | undefined
  readonly apiKey?: string | undefined
  readonly rescueParts?: number | undefined
  readonly heapMegabytes?: number | undefined
  readonly contextTokens?: { readonly us?: number; readonly eu?: number } | undefined
}

/** `stream`: the way of the case, in which `ask` asks if nothing else is said. */
export interface Story {
  readonly stream: boolean
  readonly us: Provider.Provider
  readonly eu: Provider.Provider
  readonly gateway: Gateway.Gateway
  readonly ask: (options?: Caller.Options) => Effect.Effect<Answer>
}

export type Plot = (story: Story) => Effect.Effect<void>

type Tell = (name: string, setting: Setting, plot: Plot) => void

/** How cases are run: with answers as streams, with answers in one piece, or once each. */
export interface Ways {
  readonly streaming: Tell
  readonly inOnePiece: Tell
  readonly bothWays: Tell
}

/**
 * Cases with a table of them in the end. Each has a gateway of its own, which must answer a plain request and list its
 * models afterwards, and end by itself, without an error, at a signal.
 */
export const stories = (title: string, tell: (ways: Ways) => void): void => {
  const rows: Array<Table.Row> = []
  describe(title, () => {
    afterAll(() => Table.print(title, rows))
    const way = (stream: boolean): Tell => (name, setting, plot) =>
      it.live(`${name} (${stream ? "stream" : "one piece"})`, () => perform(name, stream, setting, plot, rows))
    const streaming = way(true)
    const inOnePiece = way(false)
    tell({
      streaming,
      inOnePiece,
      bothWays: (...story) => {
        streaming(...story)
        inOnePiece(...story)
      }
    })
  })
}

const perform = (name: string, stream: boolean, setting: Setting, plot: Plot, rows: Array<Table.Row>) =>
  Effect.gen(function*() {
    const [us, eu, plain] = yield* Effect.all([Provider.make("us"), Provider.make("eu"), Provider.make("plain")])
    if (setting.us !== undefined) us.script(...setting.us)
    if (setting.eu !== undefined) eu.script(...setting.eu)
    const { apiKey, contextTokens, heapMegabytes, rescueParts } = setting
    const gateway = yield* Gateway.make({
      apiKey,
      rescueParts,
      heapMegabytes,
      models: {
        chat: [
          { provider: us, apiKey: "key-of-us", contextTokens: contextTokens?.us },
          { provider: eu, apiKey: "key-of-eu", contextTokens: contextTokens?.eu }
        ],
        plain: [{ provider: plain }]
      }
    })
    const authorization = apiKey === undefined ? undefined : `Bearer ${apiKey}`
    const answers: Array<Answer> = []
    const ask = (options: Caller.Options = {}) =>
      Effect.tap(
        Caller.ask(gateway.url, { stream, authorization, ...options }),
        (answer) => Effect.sync(() => answers.push(answer))
      )

    yield* plot({ stream, us, eu, gateway, ask }).pipe(
      Effect.ensuring(Effect.sync(() =>
        rows.push({
          name: `${name}${stream ? " (stream)" : ""}`,
          got: summary(answers),
          us: us.requests.length,
          eu: eu.requests.length,
          took: Math.max(0, ...answers.map(({ took }) => took))
        })
      )),
      Effect.onError(() => Effect.sync(() => console.log(`${name}: the gateway said\n${gateway.log()}`)))
    )
    yield* isAlive(gateway, stream, authorization)
  })

const isAlive = (gateway: Gateway.Gateway, stream: boolean, authorization: string | undefined) =>
  Effect.gen(function*() {
    // A case of its end is over.
    if (gateway.isTerminated()) return
    const answer = yield* Caller.ask(gateway.url, { model: "plain", stream, authorization })
    assert.deepStrictEqual([answer.ending, answer.flaw], ["whole", undefined])
    assert.isBelow(answer.took, slack)
    assert.deepStrictEqual((yield* Caller.models(gateway.url, authorization)).toSorted(), ["chat", "plain"])
    yield* gateway.terminate
    assert.strictEqual(yield* gateway.ended, 0, gateway.log())
  })

/** Such as "2 × us whole, error 503 server_error". */
const summary = (answers: ReadonlyArray<Answer>): string => {
  const counts = new Map<string, number>()
  for (const answer of answers) {
    const told = describeAnswer(answer)
    counts.set(told, (counts.get(told) ?? 0) + 1)
  }
  return Array.from(counts, ([told, count]) => count === 1 ? told : `${count} × ${told}`).join(", ")
}

const describeAnswer = ({ ending, error, flaw, parts, status, text }: Answer): string => {
  switch (ending) {
    case "whole":
      return `${/^[a-z]+/.exec(text)?.[0] ?? "no text,"} whole`
    case "error":
      return status === 200
        ? `${parts} parts, then error ${error?.code ?? error?.type}`
        : `${status} ${error?.code ?? error?.type}`
    case "broken":
      return flaw === Caller.left ? "left" : `BROKEN: ${flaw}`
  }
}
