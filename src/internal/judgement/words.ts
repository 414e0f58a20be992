/**
 * What a provider itself says in a text: without the labels that clients and proxies put before it, and without what it
 * quotes. What a caller wrote is no evidence, and providers quote it.
 */
import { part, pattern } from "./patterns.ts"

/** How much of a text is looked at. */
export const longestText = 65_536

export interface Words {
  /** The provider's own words, beginning with the first of them. */
  readonly text: string
  /** The classes and exceptions that are named before them. */
  readonly codes: ReadonlyArray<string>
  /** The status that is named before them. */
  readonly status: number | undefined
  /** The text from which on the provider speaks, with everything it quotes. */
  readonly whole: string
}

/** Reads a text, in a time that grows with its length. A page of HTML says nothing: it may say what it likes. */
export const wordsOf = (text: string): Words => {
  const codes: Array<string> = []
  let whole = text.slice(0, longestText).trimStart()
  let status: number | undefined
  for (let labels = 0; labels < maxLabels; labels++) {
    const label = labelOf(whole)
    if (label === undefined) break
    if (label.code !== undefined) codes.push(label.code)
    status ??= label.status
    whole = whole.slice(label.length).trimStart()
  }
  return { text: isPage(whole) ? "" : withoutMiddle(unquoted(whole)), codes, status, whole }
}

/** How much of the provider's own words is kept of their beginning, and of their end. */
const keptText = 4096

// A provider that says that much quotes its caller, and says its own before or after that.
const withoutMiddle = (text: string): string =>
  text.length <= 2 * keptText ? text : `${text.slice(0, keptText)} … ${text.slice(-keptText)}`

/** Whether a text is a page, for people. */
export const isPage = (text: string): boolean => /^\s{0,64}<[!?a-z]/i.test(text)

const maxLabels = 8

interface Label {
  readonly length: number
  readonly code?: string | undefined
  readonly status?: number | undefined
}

const end = part`(?:\]?(?:: ?| [-\u2013\u2014] |, |\. (?=\{))|\] )`
const plain = [
  // `Error: …`
  pattern`^(?:uncaught )?(?:error|exception|fatal|failure)(?: code)?${end}`,
  // `[openai/gpt-5] …`, `[GoogleGenerativeAI Error]: …`
  /^\[[^\]\n]{1,80}\](?:: ?| )(?=\S)/,
  // `Error from provider (X): …`
  pattern`
    ^(?:
      error from (?:provider|upstream)|error fetching from \S{1,200}|request failed|provider returned(?: an)? error|
      (?:upstream|provider|backend|proxy|(?:internal )?server|(?:\w{2,20} )?api) error
    )(?: \([^)\n]{1,80}\))?${end}
  `,
  // `InternalError.Algo.InvalidParameter: …`
  /^(?:[A-Z]\w{0,40}\.){1,4}[A-Z]\w{0,60}: /,
  // `got status: UNAVAILABLE. …`
  /^got status: [A-Z_]{2,40}\.? ?/i,
  // `Bad Request: …`
  pattern`
    ^(?:
      bad request|unauthorized|forbidden|not found|conflict|too many requests|internal server error|bad gateway|
      service unavailable|payment required|unprocessable entity|precondition failed
    )${end}(?=\S)
  `
]

// `429 …`, `[429 Too Many Requests] …`, `HTTP 429: …`, `Error code: 429 - …`
const statusLabel = pattern`
  ^[[<]?(?:(?:got|https?|error|status|code|response|request failed with)\b[ :=/.\d]{0,8}){0,4}
  ([45]\d\d)\b(?!\.\d|[-:]\d)[\]>]?[ :,.\-\u2013\u2014]{0,4}
`
// `litellm.RateLimitError: …`, `VertexAIException BadRequestError - …`
const classLabel = new RegExp(part`
  ^(?:[a-z]\w{0,30}\.){0,4}([A-Z]\w{0,60}(?:Error|Exception|Violation|Timeout|Throttled))(?: \(\d{3}\))?
  (?:$|${end}| (?=[A-Z]\w{0,60}(?:Error|Exception)\b))
`)
const operationLabel = /^an error occurred \((\w{1,64})\) when calling the \w{1,64} operation(?: \([^)\n]{1,80}\))?: ?/i
// What is wrong with a program, and not with a provider.
const languages = new Set(["SyntaxError", "TypeError", "RangeError", "ReferenceError"])

const labelOf = (text: string): Label | undefined => {
  const named = classLabel.exec(text) ?? operationLabel.exec(text)
  if (named !== null) return { length: named[0].length, code: languages.has(named[1]!) ? undefined : named[1] }
  const status = statusLabel.exec(text)
  if (status !== null && status[0].length < text.length) return { length: status[0].length, status: Number(status[1]) }
  for (const pattern of plain) {
    const length = pattern.exec(text)?.[0].length
    if (length !== undefined) return { length }
  }
  return undefined
}

const closings: Readonly<Record<string, string>> = {
  "\"": "\"",
  "`": "`",
  "'": "'",
  "\u201c": "\u201d",
  "\u2018": "\u2019",
  "\u00ab": "\u00bb",
  "\u300c": "\u300d",
  "\u300e": "\u300f"
}
const opening = /["`\u201c\u00ab\u300c\u300e]|(?<!\w)['\u2018]/g

/** A text without what stands between quotes, and without the rest of it where a double quote is never closed. */
const unquoted = (text: string): string => {
  const kept: Array<string> = []
  let from = 0
  // Quotes that are not closed from here on: nobody looks for their ends again.
  const unclosed = new Set<string>()
  opening.lastIndex = 0
  for (let quote = opening.exec(text); quote !== null; quote = opening.exec(text)) {
    const [mark] = quote
    if (unclosed.has(mark)) continue
    const close = closeOf(text, mark, quote.index + 1)
    if (close === undefined) {
      if (mark === "\"" || mark === "\u201c") return kept.concat(text.slice(from, quote.index)).join("")
      unclosed.add(mark)
      continue
    }
    kept.push(text.slice(from, quote.index), "''")
    from = opening.lastIndex = close + 1
  }
  return kept.concat(text.slice(from)).join("")
}

const closeOf = (text: string, mark: string, from: number): number | undefined => {
  const close = closings[mark]!
  const isEnd = (at: number) =>
    text[at - 1] !== "\\" && ((mark !== "'" && mark !== "\u2018") || !/\w/.test(text[at + 1] ?? ""))
  for (let at = text.indexOf(close, from); at >= 0; at = text.indexOf(close, at + 1)) {
    if (isEnd(at)) return at
  }
  return undefined
}
