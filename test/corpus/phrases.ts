/** What providers say, at least one phrase for each pattern of the judgement that is searched for in their words. */
import { Exit } from "effect"
import { LlmOutcome } from "effect-resilience"
import { readFileSync } from "node:fs"
import type { Case, Verdict } from "./case.ts"

/** A phrase, the row that it is for, and the status with which it is said; without one it is an error's message. */
export interface Phrase {
  readonly row: LlmOutcome.RowId
  readonly status?: number
  readonly says: string
}

export const phrases: ReadonlyArray<Phrase> = readFileSync(new URL("phrases.jsonl", import.meta.url), "utf8")
  .split("\n").filter((line) => line !== "").map((line): Phrase => JSON.parse(line))

/** What the judgement makes of a phrase in the mouth of a provider. */
export const explained = ({ says, status }: Phrase): LlmOutcome.Explanation =>
  LlmOutcome.explain(
    Exit.fail(status === undefined ? { message: says } : { status, body: { error: { message: says } } })
  )

/** The patterns of words by row, but for those that words of clients have to meet beside a code. */
export const patterns: ReadonlyArray<{ readonly row: LlmOutcome.RowId; readonly pattern: RegExp }> = LlmOutcome.table
  .flatMap(({ id, match: { code, message = [] } }) =>
    code === undefined ? message.map((pattern) => ({ row: id, pattern })) : []
  )

const error = (message: string, echo: object) => ({ error: { message, type: "invalid_request_error", ...echo } })
const answer = (choice: object) => ({ id: "c", model: "m", choices: [{ index: 0, ...choice }] })
const part = (choice: object) => `data: ${JSON.stringify(answer(choice))}`

/** What comes back from a provider that repeats what its caller wrote. */
const echoes: Readonly<Record<string, (text: string) => Pick<Case, "form" | "status" | "body">>> = {
  param: (text) => ({ form: "http", status: 400, body: error("This is no valid value.", { param: text }) }),
  input: (text) => ({
    form: "http",
    status: 422,
    body: { detail: [{ type: "string_type", loc: ["body"], msg: "Input should be a valid string", input: text }] }
  }),
  "failed-generation": (text) => ({
    form: "http",
    status: 400,
    body: error("Failed to call a function.", { code: "tool_use_failed", failed_generation: text })
  }),
  "quoted": (text) => ({ form: "http", status: 400, body: error(`This is no valid value: "${text}".`, {}) }),
  "quoted-at-the-beginning": (text) => ({ form: "http", status: 400, body: error(`"${text}" is no valid value.`, {}) }),
  "quoted-by-a-server": (text) => ({ form: "http", status: 500, body: error(`It failed at '${text}'.`, {}) }),
  "answered": (text) => ({
    form: "answer",
    status: 200,
    body: answer({ message: { role: "assistant", content: text }, finish_reason: "stop" })
  }),
  "streamed": (text) => ({
    form: "sse",
    status: 200,
    body: [part({ delta: { content: text } }), part({ delta: {}, finish_reason: "stop" }), "data: [DONE]"]
  })
}

const verdicts: Readonly<Record<number, Verdict>> = {
  200: { outcome: "Success" },
  500: { outcome: "Failure", kind: "server_error" }
}

/** A case for every phrase and every way in which it can come back. */
export const echoed: ReadonlyArray<Case> = Object.entries(echoes).flatMap(([where, echo]) =>
  phrases.map(({ says }, index): Case => {
    const { body, form, status } = echo(says)
    const expected = verdicts[status] ?? { outcome: "Ignored", kind: "invalid_request" }
    const told = { source: "phrases.jsonl", provider: "any", meaning: "echo", why: says }
    return Object.assign(told, { id: `${where}-${index}`, form, status, body, expected })
  })
)
