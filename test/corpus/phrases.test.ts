// What providers say, and the same words where a caller has written them: those are no evidence.
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { byExecute, byGuardedClient, byStream } from "./asking.ts"
import { wantedOf } from "./case.ts"
import { echoed, explained, patterns, phrases } from "./phrases.ts"
import { fits, judge, type Judged, shown } from "./verdict.ts"

describe("a phrase of a provider", () => {
  it("is there for each pattern of the judgement", () => {
    const said = phrases.map((phrase) => ({ row: phrase.row, messages: explained(phrase).signals.messages }))
    const missing = patterns.filter(({ pattern, row }) =>
      !said.some((phrase) => phrase.row === row && phrase.messages.some((message) => message.search(pattern) >= 0))
    )
    assert.deepStrictEqual(missing.map(({ pattern, row }) => `${row}: ${pattern}`), [])
  })

  it.each(phrases)("$says: $row", (phrase) => {
    assert.strictEqual(explained(phrase).row, phrase.row)
  })
})

describe("the same phrase in what a caller wrote", () => {
  const isStream = ({ form }: { readonly form: string }) => form === "sse"
  const judged = new Map<string, Judged>()

  beforeAll(async () => {
    const calls = echoed.filter((entry) => !isStream(entry))
    for (
      const found of [
        await Effect.runPromise(judge(calls.filter((_, index) => index % 2 === 0), byExecute)),
        await Effect.runPromise(judge(calls.filter((_, index) => index % 2 === 1), byGuardedClient)),
        await Effect.runPromise(judge(echoed.filter(isStream), byStream))
      ]
    ) {
      for (const [id, verdict] of found) judged.set(id, verdict)
    }
  })

  it("is no evidence, wherever it comes back", () => {
    const wrong = echoed.filter((entry) => !wantedOf(entry).some(fits(judged.get(entry.id)!)))
    const told = wrong.map(({ id, why }) => `${id}, ${why}: ${shown(judged.get(id)!)} by ${judged.get(id)!.row}`)
    assert.deepStrictEqual(told, [])
    assert.strictEqual(judged.size, phrases.length * 8)
  })
})
