/** The evidence of a call of a model: the same prompt again is the same request. */
import * as Evidence from "../../Evidence.ts"
import { digest } from "../../internal/call/digest.ts"

/** Read when a circuit has to know, which is seldom. */
export const promptEvidence = (prompt: unknown): Evidence.Evidence =>
  Evidence.make(() => ({ request: typeof prompt === "string" ? prompt : JSON.stringify(prompt, withoutBytes) }))

// Images would make a text of many times their size.
const withoutBytes = (_: string, value: unknown) => value instanceof Uint8Array ? digest(value) : value
