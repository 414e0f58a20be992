// Every case, sent by a real server, and judged as programs ask.
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { byExecute, byGuardedClient, byStream } from "./asking.ts"
import { type Case, cases, wantedOf } from "./case.ts"
import { fits, judge, type Judged, shown } from "./verdict.ts"

const isStream = ({ form }: Case) => form === "sse"

const ways = [
  { name: "fetch within CircuitBreaker.execute", ask: byExecute, of: cases.filter((entry) => !isStream(entry)) },
  { name: "GuardedHttpClient", ask: byGuardedClient, of: cases.filter((entry) => !isStream(entry)) },
  { name: "CircuitBreaker.stream", ask: byStream, of: cases.filter(isStream) }
] as const

for (const { ask, name, of } of ways) {
  describe(`${name} takes for what it is`, () => {
    let judged: ReadonlyMap<string, Judged>
    beforeAll(async () => {
      judged = await Effect.runPromise(judge(of, ask))
    })

    for (const entry of of) {
      it(`${entry.id} [${entry.provider}]: ${entry.why}`, () => {
        const got = judged.get(entry.id)!
        const wanted = wantedOf(entry)
        if (!wanted.some(fits(got))) {
          assert.fail(`${shown(got)} by ${got.row}, and not ${wanted.map(shown).join(" or ")}`)
        }
      })
    }
  })
}

describe("the corpus", () => {
  const fields = new Set(
    ["id", "source", "provider", "meaning", "form", "status", "headers", "body", "reader", "limits"]
      .concat("expected", "why", "gateway")
  )

  it("has lines with the fields that README.md names, each with an id of its own", () => {
    const wrong = cases.filter((entry) =>
      Object.keys(entry).some((field) => !fields.has(field)) || !/^[a-z0-9][a-z0-9.-]*$/.test(entry.id) ||
      !["http", "answer", "sse"].includes(entry.form) || !wantedOf(entry).every(({ outcome }) => outcomes.has(outcome))
    )
    assert.deepStrictEqual(wrong.map(({ id }) => id), [])
    assert.strictEqual(new Set(cases.map(({ id }) => id)).size, cases.length)
  })
})

const outcomes = new Set(["Success", "Failure", "Ignored", "OpenNow", "Throttled"])
