import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { cases, rows } from "./cases.ts"
import { agrees, clients, clientsOf, expectedOf, Providers, verdictOf } from "./suite.ts"

const live = { timeout: "2 minutes", excludeTestServices: true } as const

layer(Providers.layer, live)("every client is judged alike", (it) => {
  describe.each(rows.map((name, row) => [row, name] as const))("row %i, %s", (row) => {
    for (const one of cases.filter((one) => one.row === row)) {
      it.effect(`${one.provider}, ${one.mode}: ${one.signal}`, () =>
        Effect.gen(function*() {
          assert.isAbove(clientsOf(one).length, 0)
          yield* Effect.forEach(clientsOf(one), (client) =>
            Effect.map(verdictOf(one, client), (actual) => {
              const expected = expectedOf(one, client)
              assert.strictEqual(agrees(actual, expected) ? expected : actual, expected, client.name)
            }), { concurrency: "unbounded", discard: true })
        }))
    }
  })
})

layer(Providers.layer, live)("a call that is given up takes its request with it", (it) => {
  const silences = cases.filter(({ row, signal }) => (row === 6 || row === 9) && signal.startsWith("silence"))
  const ways = clients.flatMap((client) =>
    silences.filter((one) => clientsOf(one).includes(client)).slice(0, 3).map((one) =>
      [client.name, one.mode, one.signal, client, one] as const
    )
  )

  it.effect.each(ways)("%s, %s: %s", ([, , , client, one]) =>
    Effect.gen(function*() {
      const { abandoned } = yield* Providers
      const before = yield* abandoned
      yield* verdictOf(one, client)
      for (let attempt = 0; attempt < 100 && (yield* abandoned) === before; attempt++) yield* Effect.sleep("10 millis")
      assert.strictEqual(yield* abandoned, before + 1)
    }))
})

describe("the table of cases", () => {
  it("has every provider in every row that concerns it, streamed and not", () => {
    for (const [row, name] of rows.entries()) {
      const modes = new Set(cases.filter((one) => one.row === row).map(({ mode }) => mode))
      // A stall and a slow first content are a stream's; an error in a 200 and own code have both or one.
      assert.isTrue(row === 9 || row === 10 ? modes.has("stream") : modes.has("once"), name)
    }
  })

  it("has no case twice", () => {
    const names = cases.map(({ mode, provider, row, signal }) => [row, provider, mode, signal].join())
    assert.deepStrictEqual(names.filter((name, index) => names.indexOf(name) < index), [])
  })

  it("tries every client", () => {
    for (const client of clients) assert.isTrue(cases.some((one) => clientsOf(one).includes(client)), client.name)
  })
})
