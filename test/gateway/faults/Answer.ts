/** What a caller got, judged by nothing but what it could see. */

/** An event of a stream, at a time since the request was sent. */
export interface Event {
  readonly at: number
  readonly data: unknown
}

/** As it came. `clean`: the body ended as HTTP wants it. */
export interface Raw {
  readonly status: number
  readonly contentType: string
  readonly retryAfter: number | undefined
  readonly body: string
  readonly clean: boolean
  /** Of a stream. */
  readonly events: ReadonlyArray<Event>
  readonly took: number
}

/** In OpenAI's form. */
export interface OpenAiError {
  readonly message: string
  readonly type: string
  readonly code: string | number | null
  readonly [field: string]: unknown
}

/**
 * - `ending`: `whole` for a complete answer, `error` for one well-formed error and nothing after it, and `broken` for
 *   all that a caller must never get; `flaw` says what is wrong with it.
 * - `parts`, `text`: of the content.
 * - `models`, `usages`: all that are named in it.
 * - `firstContentAt`, `took`: in seconds since the request was sent.
 */
export interface Answer {
  readonly status: number
  readonly ending: "whole" | "error" | "broken"
  readonly flaw: string | undefined
  readonly error: OpenAiError | undefined
  readonly text: string
  readonly parts: number
  readonly finishReason: string | undefined
  readonly models: ReadonlyArray<unknown>
  readonly usages: ReadonlyArray<unknown>
  readonly retryAfter: number | undefined
  readonly firstContentAt: number | undefined
  readonly took: number
}

export const judge = (raw: Raw): Answer => raw.contentType.startsWith("text/event-stream") ? streamed(raw) : single(raw)

/** What is known of a call that came to no end. */
export const none = (flaw: string, took: number): Answer => ({
  status: 0,
  ending: "broken",
  flaw,
  error: undefined,
  text: "",
  parts: 0,
  finishReason: undefined,
  models: [],
  usages: [],
  retryAfter: undefined,
  firstContentAt: undefined,
  took
})

interface Choice {
  readonly message?: { readonly content?: unknown }
  readonly delta?: { readonly content?: unknown }
  readonly finish_reason?: unknown
}

interface Payload {
  readonly choices?: ReadonlyArray<Choice>
  readonly model?: unknown
  readonly usage?: unknown
  readonly error?: unknown
}

const single = (raw: Raw): Answer => {
  const payload = parsed(raw.body)
  const choices = payload?.choices ?? []
  const content = choices[0]?.message?.content
  const text = typeof content === "string" ? content : ""
  const flaw = flawOfSingle(raw, payload, text)
  return {
    status: raw.status,
    ending: flaw !== undefined ? "broken" : raw.status >= 400 ? "error" : "whole",
    flaw,
    error: isOpenAiError(payload?.error) ? payload.error : undefined,
    text,
    parts: text === "" ? 0 : 1,
    finishReason: reasonsOf(choices)[0],
    models: distinct([payload?.model]),
    usages: distinct([payload?.usage]),
    retryAfter: raw.retryAfter,
    firstContentAt: text === "" ? undefined : raw.took,
    took: raw.took
  }
}

const flawOfSingle = ({ body, clean, status }: Raw, payload: Payload | undefined, text: string): string | undefined => {
  const said = body.slice(0, 200)
  if (!clean) return "the body broke off"
  if (payload === undefined) return `the body is not JSON: ${said}`
  if (status >= 400) return isOpenAiError(payload.error) ? undefined : `not an error in OpenAI's form: ${said}`
  if (status !== 200) return `a status of ${status}`
  if (payload.error !== undefined) return `an error with a status of 200: ${said}`
  const reasons = reasonsOf(payload.choices ?? [])
  return reasons.length !== 1 || (text === "" && reasons[0] !== "content_filter") ? `no answer: ${said}` : undefined
}

const streamed = (raw: Raw): Answer => {
  const payloads = raw.events.map(({ data }) => data).filter(isPayload)
  const contents = raw.events.flatMap(({ at, data }) => contentsOf(data).map((text) => ({ at, text })))
  const errors = errorsOf(payloads)
  const flaw = flawOfStream(raw, payloads)
  return {
    status: raw.status,
    ending: flaw !== undefined ? "broken" : errors.length > 0 ? "error" : "whole",
    flaw,
    error: errors.find(isOpenAiError),
    text: contents.map(({ text }) => text).join(""),
    parts: contents.length,
    finishReason: reasonsOf(payloads.flatMap(({ choices }) => choices ?? []))[0],
    models: distinct(payloads.map(({ model }) => model)),
    usages: distinct(payloads.map(({ usage }) => usage)),
    retryAfter: raw.retryAfter,
    firstContentAt: contents[0]?.at,
    took: raw.took
  }
}

const flawOfStream = ({ clean, events, status }: Raw, payloads: ReadonlyArray<Payload>): string | undefined => {
  if (status !== 200) return `a stream with a status of ${status}`
  const garbage = events.find(({ data }) => data !== done && !isPayload(data))
  if (garbage !== undefined) return `garbage: ${JSON.stringify(garbage.data).slice(0, 200)}`
  if (!clean) return "the stream broke off"

  const errors = errorsOf(payloads)
  const last = events.at(-1)?.data
  const dones = events.filter(({ data }) => data === done).length
  if (errors.length > 0) {
    if (errors.length > 1) return "more than one error"
    if (!isOpenAiError(errors[0])) return `not an error in OpenAI's form: ${JSON.stringify(errors[0])}`
    return isPayload(last) && errorsOf([last]).length === 1 && dones === 0 ? undefined : "it went on after its error"
  }
  if (last !== done || dones !== 1) return `${dones} [DONE], the last event: ${JSON.stringify(last)}`
  const reasons = reasonsOf(payloads.flatMap(({ choices }) => choices ?? []))
  return reasons.length === 1 ? undefined : `${reasons.length} reasons to finish`
}

const done = "[DONE]"

export const hasContent = (data: unknown): boolean => contentsOf(data).length > 0

const contentsOf = (data: unknown): ReadonlyArray<string> =>
  !isPayload(data) ?
    [] :
    (data.choices ?? []).flatMap(({ delta }) =>
      typeof delta?.content === "string" && delta.content !== "" ? [delta.content] : []
    )

const reasonsOf = (choices: ReadonlyArray<Choice>): ReadonlyArray<string> =>
  choices.flatMap(({ finish_reason }) => typeof finish_reason === "string" ? [finish_reason] : [])

const errorsOf = (payloads: ReadonlyArray<Payload>): ReadonlyArray<unknown> =>
  payloads.flatMap(({ error }) => error === undefined || error === null ? [] : [error])

/** The event that a block of the stream is. A comment is none; data that cannot be read stays a text. */
export const event = (block: string): { readonly data: unknown } | undefined => {
  const lines = block.split("\n").filter((line) => line !== "" && !line.startsWith(":"))
  if (lines.length === 0) return undefined
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice("data:".length).trimStart())
  const text = data.length === 0 ? lines.join("\n") : data.join("\n")
  return { data: parsed(text) ?? text }
}

const parsed = (text: string): Payload | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isPayload(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isPayload = (value: unknown): value is Payload => typeof value === "object" && value !== null

const isOpenAiError = (value: unknown): value is OpenAiError => {
  if (typeof value !== "object" || value === null) return false
  const { code, message, type } = value as Readonly<Record<string, unknown>>
  return typeof message === "string" && message !== "" && typeof type === "string" && type !== "" &&
    (code === null || typeof code === "string" || typeof code === "number")
}

const distinct = (values: ReadonlyArray<unknown>) =>
  Array.from(new Map(
    values.filter((value) => value !== undefined && value !== null).map((value) => [
      JSON.stringify(value),
      value
    ])
  ).values())
