// The judgement searches the words of providers for patterns, and those words are whatever a hostile peer sends: each
// pattern has to be through with a text in a time that grows with the length of the text, and no faster.
import { assert, describe, it } from "@effect/vitest"
import { Exit } from "effect"
import { LlmOutcome } from "effect-resilience"
import { cpuMillis } from "../support/cpuMillis.ts"

const kibi = 1024

const patterns = LlmOutcome.table.flatMap(({ id, match: { code = [], message = [] } }) =>
  [...code, ...message].flatMap((pattern) => pattern instanceof RegExp ? [{ id, pattern }] : [])
)

/** The shortest alternative of each group of a pattern: what follows each other most densely. */
const shortestOf = ({ source }: RegExp): ReadonlyArray<string> =>
  Array.from(
    source.matchAll(/\(\?:([^()]*)\)/g),
    ([, group]) =>
      group!.split("|").map((word) => word.replaceAll(/\\[bdsSwW]|[[\]{}?+*^$.\\]|\{\d[\d,]*\}/g, "").trim())
        .filter((word) => word !== "").toSorted((a, b) => a.length - b.length)[0]
  ).filter((word) => word !== undefined)

/** What is repeated to make a pattern begin everywhere, and never come to its end. */
const repeatedFor = (pattern: RegExp): ReadonlyArray<string> => {
  const words = [...new Set(pattern.source.match(/[a-z]{3,}|[\u4e00-\u9fff]/g))]
  const groups = shortestOf(pattern)
  return ["a", "a ", " ", "1 ", ".", "''"]
    .concat(words.map((word) => `${word} `))
    .concat(words.slice(1).map((word, index) => `${words[index]} ${word} `))
    .concat(groups.map((_, index) => `${groups.slice(0, index).join(" ")} `))
    .concat(`${words.slice(0, -1).join(" ")} `)
}

const textOf = (repeated: string, length: number) =>
  repeated.repeat(Math.ceil(length / repeated.length)).slice(0, length)

/** What a pattern can repeat without an end, or so often that it may as well be without one. */
const unbounded = (
  { source }: RegExp
): ReadonlyArray<
  string
> => (source.replaceAll(/\\.|\[(?:\\.|[^\]])*\]/g, "x").match(/[^(]?(?:[*+]|\{\d+,\}|\{\d+,\d{3,}\})/g) ?? [])

describe("a pattern of the judgement", () => {
  // A search tries each place of a text once, and from there a bounded number of steps.
  it("has no repetition that has no bound", () => {
    assert.isAbove(patterns.length, 90)
    assert.deepStrictEqual(patterns.filter(({ pattern }) => unbounded(pattern).length > 0), [])
  })

  it("would be found if it had a repetition that has no bound", () => {
    assert.deepStrictEqual(
      [/a*b/, /(?:a|b)+/, /a{2,}/, /\s+$/, /.{0,1000}x/].map((pattern) => unbounded(pattern).length),
      [
        1,
        1,
        1,
        1,
        1
      ]
    )
    assert.deepStrictEqual([/a{0,80}b?/, /[+*]/, /\+/, /(?:ab){2}/].flatMap(unbounded), [])
  })

  /** Searches texts, again if that took long, because others share the processor. */
  const millisOf = (pattern: RegExp, texts: ReadonlyArray<string>, limit: number): number => {
    const once = () =>
      cpuMillis(() => {
        for (const text of texts) text.search(pattern)
      })
    const first = once()
    return first < limit ? first : Math.min(first, once(), once())
  }
  // Looks at each character, and goes on for a few where a word begins.
  const linear = /\b\w{1,4}\b.{0,4}zorp/i
  const baseline = millisOf(linear, Array.from({ length: 200 }, () => textOf("a ", 64 * kibi)), 0) / 200
  const steps = 50

  it.each(patterns)("of $id is through with 64 KiB of hostile repeats in linear time: $pattern", ({ pattern }) => {
    const texts = repeatedFor(pattern).map((repeated) => textOf(repeated, 64 * kibi))
    const limit = steps * baseline * texts.length
    assert.isBelow(millisOf(pattern, texts, limit), limit)
  })

  it("would be found if it went back over what it has seen", () => {
    const texts = [textOf("content filter ", 64 * kibi)]
    const limit = steps * baseline
    assert.isAbove(millisOf(/content.*zorp/, texts, limit), limit)
  })

  it("meets no more than 8 KiB of a text, however long that is", () => {
    for (const repeated of ["your account quota exceed prompt tokens content ", "text size over ", "x"]) {
      const { signals } = LlmOutcome.explain(Exit.fail({ status: 400, message: textOf(repeated, 1024 * kibi) }))
      assert.isAtMost(Math.max(...signals.messages.map(({ length }) => length)), 8 * kibi + 8)
    }
  })

  it("is never asked about a long code", () => {
    const { signals } = LlmOutcome.explain(Exit.fail({ code: "c".repeat(1e6), name: "n".repeat(129) }))
    assert.deepStrictEqual(signals.codes, [])
  })
})
