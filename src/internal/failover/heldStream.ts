/** A stream up to the point from which it is the answer. */
import { Effect, Fiber, Pull, type Scope, Stream } from "effect"
import type * as Outcome from "../../Outcome.ts"
import type { StreamSignal } from "../../StreamSignal.ts"
import { FailedAnswer } from "./trail.ts"

type AnyEffect<A, R = unknown> = Effect.Effect<A, unknown, R>
type AnyStream<A> = Stream.Stream<A, unknown, unknown>

export interface Holding<in A> {
  readonly rescue: number
  readonly signalOf: (part: A) => StreamSignal
  readonly isCommitted: () => boolean
  /** Whether a part that reports this is the end of the attempt. */
  readonly isFailed: (outcome: Outcome.Outcome) => boolean
  /** The time until the deadline. Without content the attempt fails then, and otherwise nothing is held any more. */
  readonly leftMillis: () => number
  readonly tooLate: AnyEffect<never>
  /** How a stream ends that ends before its finish. */
  readonly unfinished: AnyEffect<never> | undefined
}

/** Holds parts back until the stream is the answer, and gives it whole. Fails with the part that reports a failure. */
export const hold = <A>(self: AnyStream<A>, holding: Holding<A>): AnyEffect<AnyStream<A>> =>
  Effect.flatMap(
    Effect.scope,
    (scope) => Effect.flatMap(Stream.toPull(self), (pull) => new Holder(pull, scope, holding).more)
  )

// A provider that sends openers without an end is let through at this number, because what is held takes memory.
const maxHeldParts = 100_000

type Parts<A> = AnyEffect<readonly [A, ...Array<A>]>

class Holder<A> {
  private readonly pull: Parts<A>
  private readonly scope: Scope.Scope
  private readonly holding: Holding<A>
  private parts: Array<A> = []
  private contentSeen = false

  constructor(pull: Parts<A>, scope: Scope.Scope, holding: Holding<A>) {
    this.pull = pull
    this.scope = scope
    this.holding = holding
  }

  get more(): AnyEffect<AnyStream<A>> {
    return Effect.suspend(() => {
      const left = this.holding.leftMillis()
      if (left === Infinity) return this.heed(this.pull)
      if (!this.contentSeen) {
        // A moment after the circuit's own limit, so that it can judge. A pull that ends at once loses to no timer.
        const soon = left + 1
        if (soon <= 0) return this.holding.tooLate
        return this.heed(Effect.timeoutOrElse(this.pull, { duration: soon, orElse: () => this.holding.tooLate }))
      }
      if (left <= 0) return Effect.succeed(this.release())
      // What is on its way then must not be lost.
      return Effect.flatMap(
        Effect.forkIn(this.pull, this.scope),
        (pulling) =>
          Effect.timeoutOrElse(Effect.as(Fiber.await(pulling), this.heed(Fiber.join(pulling))), {
            duration: left,
            orElse: () => Effect.succeed(Effect.succeed(this.release(Fiber.join(pulling))))
          }).pipe(Effect.flatten)
      )
    })
  }

  private heed(pull: Parts<A>): AnyEffect<AnyStream<A>> {
    return Pull.matchEffect(pull, {
      onSuccess: (arrived) => this.add(arrived),
      onFailure: (cause) => Effect.failCause(cause),
      onDone: () => this.holding.unfinished ?? Effect.succeed(Stream.fromArray(this.parts))
    })
  }

  private add(arrived: ReadonlyArray<A>): AnyEffect<AnyStream<A>> {
    const { isCommitted, isFailed, rescue, signalOf } = this.holding
    let released = false
    for (const part of arrived) {
      this.parts.push(part)
      if (released) continue
      const signal = signalOf(part)
      if (signal._tag === "Failed" && isFailed(signal.outcome)) return Effect.fail(new FailedAnswer(part))
      this.contentSeen ||= signal._tag === "Content"
      released = (signal._tag !== "Alive" && signal._tag !== "Content") ||
        (this.contentSeen && this.parts.length > rescue)
    }
    return released || isCommitted() || this.parts.length >= maxHeldParts ? Effect.succeed(this.release()) : this.more
  }

  /** The parts that were held, those on their way, and the others as they come, of which nothing is kept here. */
  private release(pulling?: Parts<A>): AnyStream<A> {
    const [first, ...others] = this.parts
    const next: Array<Parts<A>> = []
    if (first !== undefined || others.length > 0) next.push(Effect.succeed([first as A, ...others] as const))
    if (pulling !== undefined) next.push(pulling)
    this.parts = []
    return Stream.fromPull(Effect.succeed(Effect.suspend(() => next.shift() ?? this.pull)))
  }
}
