// TS2561: Object literal may only specify known properties, but 'statuses' does not exist in type 'Match'.
import { LlmOutcome } from "effect-resilience"

export const classify = LlmOutcome.make({
  rows: [{ id: "busy", match: { statuses: [409] }, kind: "overloaded", outcome: "Failure" }]
})
