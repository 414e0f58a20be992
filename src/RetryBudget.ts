/**
 * How many retries all callers of a key may make together, so that retries cannot multiply an outage.
 *
 * Each key has a bucket of tokens, full at first. Every call adds a share of a token, every retry takes a whole one,
 * and without a token there is no retry: in the long run a key sees at most `1 + ratio` calls for every one that was
 * asked for, whatever each caller's own limit.
 *
 * @since 0.1.0
 */
import { Context, Layer } from "effect"
import { checkOptions } from "./internal/options/known.ts"
import { fraction, positiveInt } from "./internal/options/validation.ts"

/**
 * - `called`: notes that a call to a key begins, before its first attempt.
 * - `take`: takes a token for one retry; false if there is none.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryBudgets {
  readonly called: (key: string) => void
  readonly take: (key: string) => boolean
}

/**
 * - `ratio`: retries earned by a call, from 0 to 1. Default: 0.2.
 * - `burst`: tokens of a full bucket. Default: 10.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly ratio?: number | undefined
  readonly burst?: number | undefined
}

// Buckets that are not full. Beyond this number the oldest is taken for full again.
const maxBuckets = 100_000

/**
 * Budgets of their own. Throws `InvalidOptions` for an option that breaks its rule.
 *
 * **Example**
 *
 * ```ts
 * import { RetryBudget } from "effect-resilience"
 *
 * const budgets = RetryBudget.make({ ratio: 0.5, burst: 1 })
 *
 * budgets.take("model") // => true
 * budgets.take("model") // => false
 *
 * // Two calls at a ratio of one half earn one retry.
 * budgets.called("model")
 * budgets.called("model")
 * budgets.take("model") // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): RetryBudgets => {
  checkOptions(options, { ratio: true, burst: true })
  // In millionths of a token, so that ten tenths are one.
  const token = 1_000_000
  const earned = fraction("ratio", options.ratio ?? 0.2)
  const full = positiveInt("burst", options.burst ?? 10) * token
  const buckets = new Map<string, number>()
  return {
    called: (key) => {
      const tokens = buckets.get(key)
      if (tokens === undefined) return
      if (tokens + earned >= full) buckets.delete(key)
      else buckets.set(key, tokens + earned)
    },
    take: (key) => {
      const tokens = buckets.get(key) ?? full
      if (tokens < token) return false
      buckets.set(key, tokens - token)
      if (buckets.size > maxBuckets) buckets.delete(buckets.keys().next().value!)
      return true
    }
  }
}

/**
 * The budgets in force: those of the process, unless others are provided.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentRetryBudgets: Context.Reference<RetryBudgets> = Context.Reference(
  "effect-resilience/RetryBudget/CurrentRetryBudgets",
  { defaultValue: () => make() }
)

/**
 * Provides budgets of their own, as a test would, or with other limits.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<never> => Layer.sync(CurrentRetryBudgets, () => make(options))
