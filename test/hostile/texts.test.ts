// Texts made to confuse their readers: a provider that writes an error must not be able to keep a process busy.
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { LlmOutcome, LlmStream, RetryHint } from "effect-resilience"
import { cpuMillis } from "../support/cpuMillis.ts"

/** The least time in milliseconds of several runs. */
const timed = (run: () => unknown): number => Math.min(...Array.from({ length: 5 }, () => cpuMillis(run)))

/**
 * How the time of the longer of two texts compares with that of the shorter, which is an eighth of it. Work that grows
 * with the length makes this 8, with its square 64. What takes no time at all has no ratio.
 */
const growth = (run: (text: string) => unknown, text: (length: number) => string): number => {
  const [short, long] = [text(12_500), text(100_000)]
  // Several times, because the system counts a processor's time in steps of a few milliseconds.
  const shortMillis = timed(() => {
    for (let times = 0; times < 8; times++) run(short)
  }) / 8
  // Nobody wants to wait for the longer one then.
  if (shortMillis > 100) return Infinity
  const millis = timed(() => run(long))
  return millis < 20 ? 0 : millis / shortMillis
}

const repeated = (part: string, end = "") => (length: number) => part.repeat(length / part.length) + end

/** Almost what the readers look for, again and again. */
const parts = [
  " ",
  "\t \n",
  ".",
  "1",
  "1.",
  "1m",
  "1h2m3.5",
  "0.0.",
  "9999-99-99t99:99:99.",
  "mon, 01 jan 2026 ",
  "wed,  ",
  "wait ",
  "try again in ",
  "retry after about ",
  "wait 1.1.1",
  "try again in 1",
  "please try again in 1 ",
  "{",
  "[{",
  " {\"error\":",
  ") [code: ",
  "#",
  ":",
  "a:b#",
  "exceeds the context ",
  "exceed the ",
  "specified API usage limits ",
  "network  ",
  "Cannot read propert",
  "limit: ",
  "your account ",
  "you have insufficient ",
  "the model is not ",
  "prompt tokens exceed ",
  "was flagged by our ",
  "reduce the length of ",
  "does not support ",
  "Error: ",
  "429 ",
  "'a ",
  "\"a",
  "com.amazon#",
  "HPE_",
  "\u00b5",
  "\ud83d\ude00"
]

const texts = parts.flatMap((part) =>
  ["", "x", "\n", "s"].map((end) => [`${JSON.stringify(part)}…${end}`, repeated(part, end)] as const)
)

const nowMillis = Date.UTC(2026, 0, 1)

const readers: Readonly<Record<string, (text: string) => unknown>> = {
  parseSeconds: RetryHint.parseSeconds,
  parseMillis: RetryHint.parseMillis,
  parseDuration: RetryHint.parseDuration,
  parseHttpDate: (text) => RetryHint.parseHttpDate(text, nowMillis),
  parseTimestamp: (text) => RetryHint.parseTimestamp(text, nowMillis),
  parseUnixTime: (text) => RetryHint.parseUnixTime(text, nowMillis),
  parse: (text) => RetryHint.parse(text, nowMillis),
  parseMessage: RetryHint.parseMessage,
  fromBody: RetryHint.fromBody,
  fromHeaders: (text) =>
    RetryHint.fromHeaders({ "retry-after": text, "x-ratelimit-reset": text }, { nowMillis, status: 429 }),
  "fromError of a text": LlmOutcome.fromError,
  "fromError of an error": (text) =>
    LlmOutcome.fromError({
      message: text,
      code: text,
      type: text,
      name: text,
      status: text,
      error: { message: text },
      body: text
    }),
  "fromError of a rate limit": (message) => LlmOutcome.fromError({ status: 429, message }),
  classifyBody: (text) => LlmOutcome.classifyBody(Exit.succeed(text)),
  openAi: LlmStream.openAi,
  "openAi of an event": (data) => LlmStream.openAi({ event: data, data })
}

describe("the time to read a text grows no faster than its length", () => {
  for (const [name, read] of Object.entries(readers)) {
    it(name, () => {
      for (const [text, make] of texts) assert.isBelow(growth(read, make), 24, text)
    })
  }
})

describe("growth", () => {
  it("is seen where it is quadratic", () => {
    assert.isAbove(growth((text) => /\s+$/.test(text), (length) => `${" ".repeat(length / 8)}x`), 24)
  })
})
