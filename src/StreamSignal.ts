/**
 * What one part of a stream says about its dependency.
 *
 * The exit of a stream does not say whether it was served: a provider can report its failure as a part, or stop
 * half-way without an error, and a consumer can stop or fail by itself. So the parts are judged, before the consumer
 * gets them.
 *
 * @since 0.1.0
 */
import type { Outcome } from "./Outcome.ts"

/**
 * - `Alive`: proof of life without progress: an opener, a keep-alive, a count of tokens.
 * - `Content`: a piece of the answer.
 * - `Waiting`: the time until the next part is not the provider's, as while a tool runs: no limit counts it.
 * - `Finish`: the answer is complete. Parts after it change nothing.
 * - `Failed`: the provider reports a failure, with its outcome.
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
 * Reads the signal of one part. `sizeOf` says how many bytes of memory a part takes, for routes, which hold back a
 * bounded number of them. Default: an estimate from the texts, bytes and data that are in the part.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClassifyPart<in A> {
  (part: A): StreamSignal
  readonly sizeOf?: ((part: A) => number) | undefined
}

/**
 * A reader that knows the size of its parts, in bytes.
 *
 * **Example** (Parts that are frames of a socket)
 *
 * ```ts
 * import { StreamSignal } from "effect-resilience"
 *
 * const frames = StreamSignal.sized(
 *   (frame: ArrayBuffer) => frame.byteLength > 1 ? StreamSignal.content : StreamSignal.alive,
 *   (frame) => frame.byteLength
 * )
 *
 * frames(new ArrayBuffer(8))._tag // => "Content"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const sized = <A>(classifyPart: (part: A) => StreamSignal, sizeOf: (part: A) => number): ClassifyPart<A> =>
  Object.assign((part: A) => classifyPart(part), { sizeOf })

/**
 * In place of a reader, for parts that cannot be read: every one is taken for content, and the end of the stream for
 * its finish. What is lost:
 *
 * - an answer that breaks off without an error looks whole, and counts as a success;
 * - a failure that a part reports is handed on as content, and does not count;
 * - an opener counts as the first content. So a stream of `FailoverRouter` goes on to the next target only until
 *   anything at all has come, and the limit on the first content ends with the opener;
 * - keep-alives count as progress, so that a stalled provider which sends them is never cut off.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opaque {
  readonly _tag: "Opaque"
}

/**
 * For streams whose parts cannot be read; see `Opaque` for what is lost.
 *
 * @category constructors
 * @since 0.1.0
 */
export const opaque: Opaque = { _tag: "Opaque" }

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
 * The time until the next part is not the provider's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const waiting: StreamSignal = { _tag: "Waiting" }

/**
 * The answer is complete, with its outcome.
 *
 * @category constructors
 * @since 0.1.0
 */
export const finish = (outcome: Outcome): StreamSignal => ({ _tag: "Finish", outcome })

/**
 * The provider reports a failure, with its outcome.
 *
 * @category constructors
 * @since 0.1.0
 */
export const failed = (outcome: Outcome): StreamSignal => ({ _tag: "Failed", outcome })
