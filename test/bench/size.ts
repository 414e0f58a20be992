/** What programs carry of the library: bundled, minified and gzipped, without `effect`. */
import { Effect } from "effect"
import { bundledBytes, programs } from "../package/bundle.ts"
import { type Budget, type Findings, result } from "./findings.ts"
import { table } from "./table.ts"

export const size = Effect.gen(function*() {
  const sizes = yield* Effect.forEach(
    programs,
    ({ limit, name, program }) =>
      Effect.map(Effect.promise(() => bundledBytes(program)), (bytes) => ({ name: `bundle, ${name}`, limit, bytes }))
  )
  const findings: Findings = {
    text: table(["size", "bytes"], sizes.map(({ bytes, name }) => [name, String(bytes)])).join("\n"),
    results: sizes.map(({ bytes, name }) => result(name, bytes, "bytes")),
    budgets: sizes.map(({ bytes, limit, name }): Budget => ({
      name,
      of: "bytes",
      measured: bytes,
      rule: "at most",
      limit
    }))
  }
  return findings
})
