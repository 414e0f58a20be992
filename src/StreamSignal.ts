/**
 * What one part of a stream says about its dependency.
 *
 * A stream's exit does not tell whether it was served: a provider can report its failure as a part, can stop half-way
 * without an error, and a consumer can stop or fail on its own. So the parts are asked, on the provider's side.
 *
 * @since 0.1.0
 */
import type { Outcome } from "./Outcome.ts"

/**
 * - `Alive`: proof of life without progress: an opener, a keep-alive, a count of tokens.
 * - `Content`: a piece of the answer.
 * - `Waiting`: what follows is not the provider's doing until the next part, as while a tool runs: no clock counts.
 * - `Finish`: the answer is complete. Nothing after it matters.
 * - `Failed`: the provider reports its failure, and this is what it means.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamSignal =
  | { readonly _tag: "Alive" }
  | { readonly _tag: "Content" }
  | { readonly _tag: "Waiting" }
  | { readonly _tag: "Finish"; readonly outcome: Outcome }
  | { readonly _tag: "Failed"; readonly outcome: Outcome }

/**
 * Reads the signal of one part.
 *
 * @category models
 * @since 0.1.0
 */
export type ClassifyPart<in A> = (part: A) => StreamSignal

/**
 * Proof of life without progress.
 *
 * @category constructors
 * @since 0.1.0
 */
export const alive: StreamSignal = { _tag: "Alive" }

/**
 * A piece of the answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const content: StreamSignal = { _tag: "Content" }

/**
 * What follows, until the next part, is not the provider's doing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const waiting: StreamSignal = { _tag: "Waiting" }

/**
 * The answer is complete, and this is what it says about the provider.
 *
 * @category constructors
 * @since 0.1.0
 */
export const finish = (outcome: Outcome): StreamSignal => ({ _tag: "Finish", outcome })

/**
 * The provider reports its failure, and this is what it means.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failed = (outcome: Outcome): StreamSignal => ({ _tag: "Failed", outcome })
