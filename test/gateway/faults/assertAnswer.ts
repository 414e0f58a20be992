/** What the cases say of an answer. */
import { assert } from "@effect/vitest"
import type { Answer, OpenAiError } from "./Answer.ts"
import type { Provider } from "./Provider.ts"
import { text } from "./replies.ts"
import { scale, slack } from "./storyTime.ts"

/** The whole answer of that provider, and no word of another. */
export const assertWhole = (answer: Answer, provider: string): void => {
  assert.isUndefined(answer.flaw)
  assert.isUndefined(answer.error)
  assert.deepStrictEqual([answer.ending, answer.status, answer.finishReason], ["whole", 200, "stop"])
  assert.strictEqual(answer.text, text(provider))
  assert.deepStrictEqual(answer.models, [`${provider}-model`])
}

/** One clean error in place of an answer. Gives it. */
export const assertError = (answer: Answer, ...statuses: ReadonlyArray<number>): OpenAiError => {
  assert.isUndefined(answer.flaw)
  assert.deepStrictEqual([answer.ending, answer.text], ["error", ""])
  assert.include(statuses, answer.status)
  return answer.error!
}

/** The beginning of that provider's text, of so many parts if it is known, and then one clean error. Gives it. */
export const assertCutShort = (answer: Answer, provider: string, parts: number = answer.parts): OpenAiError => {
  assert.isUndefined(answer.flaw)
  assert.deepStrictEqual([answer.ending, answer.status], ["error", 200])
  assert.strictEqual(answer.text, text(provider, parts))
  return answer.error!
}

/** At least that many seconds, and at most that many but for what a busy machine adds. */
export const assertTook = ({ took }: Answer, atLeast: number, atMost: number = atLeast): void => {
  // Timers may be early by a moment.
  assert.isAtLeast(took, atLeast - 0.01 * scale)
  assert.isAtMost(took, atMost + slack)
}

/** Something that is measured elsewhere than at the caller, and so may begin late as well. */
export const assertBetween = (value: number, atLeast: number, atMost: number): void => {
  assert.isAtLeast(value, atLeast - slack)
  assert.isAtMost(value, atMost + slack)
}

/** How many requests the providers saw so far. */
export const assertAsked = (...expected: ReadonlyArray<readonly [provider: Provider, requests: number]>): void => {
  assert.deepStrictEqual(
    expected.map(([{ name, requests }]) => [name, requests.length]),
    expected.map(([{ name }, requests]) => [name, requests])
  )
}
