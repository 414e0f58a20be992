// Prints the table of signals with a mark for every client that was tried: `npm run conformance`. Fails if any of them
// was judged otherwise than the table says.
import { Effect } from "effect"
import type { Case } from "./case.ts"
import { cases, rows } from "./cases.ts"
import type { Client } from "./client.ts"
import { agrees, clients, clientsOf, expectedOf, Providers, verdictOf } from "./suite.ts"

interface Line {
  readonly one: Case
  readonly marks: ReadonlyArray<string>
  /** What was judged by less, and what was judged otherwise. */
  readonly notes: ReadonlyArray<string>
}

const cellOf = (one: Case, client: Client): Effect.Effect<readonly [mark: string, note?: string], never, Providers> =>
  clientsOf(one).includes(client)
    ? Effect.map(verdictOf(one, client), (actual) => {
      const expected = expectedOf(one, client)
      if (!agrees(actual, expected)) return ["✗", `✗ ${client.name}: ${actual}`]
      return expected === one.expected ? ["✓"] : ["○", `○ ${expected}`]
    })
    : Effect.succeed(["·"])

const lineOf = (one: Case): Effect.Effect<Line, never, Providers> =>
  Effect.map(Effect.forEach(clients, (client) => cellOf(one, client)), (cells) => ({
    one,
    marks: cells.map(([mark]) => mark),
    notes: Array.from(new Set(cells.flatMap(([, note]) => note ?? [])))
  }))

const letters = clients.map((_, index) => String.fromCharCode(65 + index))
const widths = [17, 7, 58, 32, letters.length * 2]
const row = (...cells: ReadonlyArray<string>) =>
  cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join(" ").trimEnd()

const program = Effect.gen(function*() {
  const lines = yield* Effect.forEach(cases, lineOf, { concurrency: 8 })
  for (const [number, name] of rows.entries()) {
    console.log(`\n${number}. ${name}\n`)
    console.log(row("provider", "mode", "signal", "verdict, kind, wait in ms", letters.join(" "), "otherwise"))
    for (const { marks, notes, one } of lines.filter(({ one }) => one.row === number)) {
      console.log(row(one.provider, one.mode, one.signal, one.expected, marks.join(" "), notes.join(", ")))
    }
  }
  console.log("")
  for (const [index, client] of clients.entries()) console.log(`${letters[index]} ${client.name}`)
  const count = (mark: string) => lines.flatMap(({ marks }) => marks).filter((found) => found === mark).length
  console.log(`
✓ judged as the table says: ${count("✓")}
○ judged by less, because the client does not show more: ${count("○")}
✗ judged otherwise: ${count("✗")}
· not of this client
${cases.length} signals`)
  return count("✗")
})

process.exitCode = await Effect.runPromise(Effect.provide(program, Providers.layer)) === 0 ? 0 : 1
