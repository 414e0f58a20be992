/** The fields that events have in common. */
import { Schema } from "effect"
import { edges, type Reason, reasons, states } from "../../Circuit.ts"
import { kinds } from "../../Outcome.ts"

export const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

export const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

export const State = Schema.Literals(states)

export const AnyReason = Schema.Literals(reasons)

export const Kind = Schema.Literals(kinds)

export const operator = { note: Schema.optionalKey(Schema.String), actor: Schema.optionalKey(Schema.String) } as const

/** A move for one of these reasons, which all lead to one state. `from` is where this process last saw the circuit. */
export const transition = <const R extends Reason>(reason: R, ...others: ReadonlyArray<R>) => ({
  from: State,
  to: Schema.Literal<(typeof edges)[R]["to"]>(edges[reason].to),
  reason: Schema.Literals([reason, ...others])
})
