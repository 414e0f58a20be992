import { Data } from "effect"

/**
 * A store broke its contract. `promise` is what the contract says, `seen` what the store did instead.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConformanceFailure extends Data.TaggedError("ConformanceFailure")<{
  readonly promise: string
  readonly seen: string
}> {
  override get message(): string {
    return `A store promises that ${this.promise}. Seen: ${this.seen}.`
  }
}
