/** How an answer ended, in the words of every form that is read. */
import { property } from "../untrusted/values.ts"

/**
 * - `complete`: the model said what it had to say, used what it was given, or waits for a tool.
 * - `refused`: the provider holds back what was asked, or what was answered.
 * - `error`, `overloaded`, `timed_out`: the provider broke it off.
 * - `unusable`: the model wrote what nobody can use.
 * - `cancelled`: it was stopped on purpose.
 * - `unknown`: a word that is not known.
 */
export type Ending =
  | "complete"
  | "refused"
  | "error"
  | "overloaded"
  | "timed_out"
  | "unusable"
  | "cancelled"
  | "unknown"

/** Words, without case and with underscores between them. Where a word can be of two kinds, the first row has it. */
const words: ReadonlyArray<readonly [ending: Ending | undefined, words: RegExp]> = [
  // Not at the end yet: DashScope writes the word null into every part.
  [undefined, /^(?:null|none|in_progress|processing|queued|starting|pending|running|not_finished|)$/],
  [undefined, /^(?:finish_reason_unspecified|blocked_reason_unspecified)$/],
  // DeepSeek.
  ["overloaded", /(?:insufficient|no|out_of)_(?:system_)?(?:resources?|capacity)|overload|capacity|preempt/],
  // Cohere, watsonx.
  ["timed_out", /time_?out|timed_out|time_limit|deadline/],
  // Gemini, also through its compatible form, and Bedrock.
  [
    "unusable",
    /malformed|unexpected_tool|too_many_tool|missing_thought|invalid_(?:tool|function)|^language$|repetition/
  ],
  ["unusable", /^(?:no_image|image_other)$/],
  // Cohere calls the end of its context an error, and what it refuses another.
  ["complete", /^error_limit$/],
  ["refused", /filter|safety|sensitive|refus|guardrail|moderat|toxic|prohibited|blocklist|block(?:ed)?$|policy|spii/],
  ["refused", /recitation|armor|jailbreak|inspection|violation|copyright|censor/],
  [
    "error",
    /error|fail|network|abort|crash|exception|disconnect|interrupt|unavailable|insufficient|killed|lost|broken/
  ],
  ["error", /rate_?limit|quota|throttl/],
  ["cancelled", /cancel/],
  ["complete", /stop|eos|(?:^|_)end(?:_|$)|^endof|complete|finish|length|max_|limit|tool|function|pause|compact/],
  ["complete", /context_window|^(?:normal|done|success|succeeded|ok|load|unload|word)$/]
]

/** How an answer with this reason ended; undefined while it goes on, or where there is no reason. */
export const endingOf = (reason: unknown): Ending | undefined => {
  // AI21 has an object, SGLang one with a type.
  const named = typeof reason === "object" ? property(reason, "reason") ?? property(reason, "type") : reason
  if (typeof named !== "string" || named.length > 128) return undefined
  const word = named.trim().replace(/([a-z])([A-Z])/g, "$1_$2").toLowerCase().replace(/[^a-z]{1,8}/g, "_")
  for (const [ending, pattern] of words) if (pattern.test(word)) return ending
  return "unknown"
}
