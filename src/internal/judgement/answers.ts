/** Answers that came, and say themselves that something is wrong with them. */
import { type Row } from "./row.ts"

export const answers = {
  // The provider says that it failed, and no more.
  failed: {
    id: "answer/failed",
    match: { code: ["failed", "response.failed", "Answer/error"] },
    kind: "server_error",
    outcome: "Failure"
  },
  model: {
    id: "model/output",
    match: {
      code: [
        "AiError/InvalidOutputError",
        "AiError/StructuredOutputError",
        "AiError/ToolNotFoundError",
        "AiError/ToolParameterValidationError",
        "SchemaError",
        "ZodError",
        "Answer/unusable"
      ]
    },
    kind: "model_output",
    outcome: "Ignored"
  },
  // Neither a success nor a failure, until its meaning is known and it has a row.
  unknown: {
    id: "answer/unknown-ending",
    match: { code: ["Answer/unknown"] },
    kind: "unknown",
    outcome: "Ignored",
    elsewhere: true
  },
  unknownModel: { id: "model/unknown", match: { code: ["AiError/UnknownError"] }, kind: "unknown", outcome: "Ignored" }
} as const satisfies Readonly<Record<string, Row>>
