import { Effect } from "effect"
import { property } from "../../internal/untrusted/values.ts"

/** The client of PostgreSQL, which a program that brings another one need not have. */
export const sqlPg = Effect.promise(() =>
  import("@effect/sql-pg").catch((cause: unknown) => {
    throw String(property(cause, "code")).endsWith("MODULE_NOT_FOUND")
      ? new Error("This store needs the package @effect/sql-pg: install it with `npm install @effect/sql-pg`", {
        cause
      })
      : cause
  })
)
