/** What is asked of a client of SQL, and why it fails. */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { property } from "../../internal/untrusted/values.ts"
import { StoreFault } from "../../RecordStore.ts"

/** Runs a query whose one value is a text of JSON. */
export type Run = (
  text: string,
  ...parameters: ReadonlyArray<string | number>
) => Effect.Effect<ReadonlyArray<unknown>, StoreFault>

/**
 * Queries run in fibers that know nothing of the caller: neither its transaction on the same client nor its spans. A
 * query that is given up is cancelled by the client, and nobody waits for that.
 */
export const makeRun = (sql: SqlClient): Effect.Effect<Run> =>
  Effect.map(Effect.context<never>(), (context): Run => (text, ...parameters) =>
    Effect.callback((resume) => {
      const rows = Effect.withTracerEnabled(sql.unsafe(text, parameters).values, false)
      const list = Effect.flatMap(Effect.mapError(rows, fault), ([row]) => listOf(row?.[0]))
      const fiber = Effect.runForkWith(context)(list)
      fiber.addObserver(resume)
      return Effect.sync(() => fiber.interruptUnsafe())
    }))

const listOf = (text: unknown): Effect.Effect<ReadonlyArray<unknown>, StoreFault> => {
  const list = parsed(text)
  return isList(list) ? Effect.succeed(list) : Effect.fail(malformed)
}

export const isList = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

export const parsed = (text: unknown): unknown => {
  try {
    return JSON.parse(String(text))
  } catch {
    return undefined
  }
}

export const malformed = new StoreFault({ code: "REPLY" })

/** The SQLSTATE that the server answered with, `CONNECTION` for any other error. The rest may quote an argument. */
export const fault = (error: unknown): StoreFault => {
  let at = error
  for (let depth = 0; depth < maxDepth && at !== undefined; depth++) {
    const code = property(at, "code")
    if (typeof code === "string" && /^(?:\d\d|F0|HV|P0|XX)[0-9A-Z]{3}$/.test(code)) return new StoreFault({ code })
    at = property(at, "reason") ?? property(at, "cause")
  }
  return new StoreFault({ code: "CONNECTION" })
}

// A `SqlError` has a reason, whose cause is what the client failed with, and that may wrap another error.
const maxDepth = 6
