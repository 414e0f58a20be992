// TS2322: Type '{ id: string; outcome: "Failure"; }' is missing the following properties from type 'Row': match, kind
import { LlmOutcome } from "effect-resilience"

export const classify = LlmOutcome.make({ rows: [{ id: "status/409", outcome: "Failure" }] })
