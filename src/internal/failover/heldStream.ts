/** A stream up to the point from which it is the answer. */
import { Effect, Fiber, Pull, type Scope, Stream } from "effect"
import type * as Outcome from "../../Outcome.ts"
import type { StreamSignal } from "../../StreamSignal.ts"
import { HeldBytes, type HeldLimits } from "./heldBytes.ts"
import { FailedAnswer } from "./trail.ts"

type AnyEffect<A, R = unknown> = Effect.Effect<A, unknown, R>
type AnyStream<A> = Stream.Stream<A, unknown, unknown>

export interface Holding<in A> {
  readonly rescue: number
  readonly limits: HeldLimits
  readonly signalOf: (part: A) => StreamSignal
  readonly sizeOf: (part: A, enough: number) => number
  readonly isCommitted: () => boolean
  /** Whether a part that reports this is the end of the attempt. */
  readonly isFailed: (outcome: Outcome.Outcome) => boolean
  /** The time until the deadline. Without content the attempt fails then, and otherwise nothing is held any more. */
  readonly leftMillis: () => number
  readonly tooLate: AnyEffect<never>
  /** Makes the next pull fail, because there is no content in as much as can be held. */
  readonly overflow: (outcome: Outcome.Outcome) => void
  /** How a stream ends that ends before its finish. */
  readonly unfinished: AnyEffect<never> | undefined
}

/** Holds parts back until the stream is the answer, and gives it whole. Fails with the part that reports a failure. */
export const hold = <A>(self: AnyStream<A>, holding: Holding<A>): AnyEffect<AnyStream<A>> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const holder = new Holder(yield* Stream.toPull(self), scope, holding)
    yield* Effect.addFinalizer(() => Effect.sync(holder.bytes.free))
    return yield* holder.more
  })

type Parts<A> = AnyEffect<readonly [A, ...Array<A>]>

class Holder<A> {
  private readonly pull: Parts<A>
  private readonly scope: Scope.Scope
  private readonly holding: Holding<A>
  readonly bytes: HeldBytes
  private parts: Array<A> = []
  private contentSeen = false
  private overflows = false

  constructor(pull: Parts<A>, scope: Scope.Scope, holding: Holding<A>) {
    this.pull = pull
    this.scope = scope
    this.holding = holding
    this.bytes = new HeldBytes(holding.limits)
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
    let released = isCommitted()
    for (const part of arrived) {
      if (this.overflows) break
      this.parts.push(part)
      if (released) continue
      const signal = signalOf(part)
      if (signal._tag === "Failed" && isFailed(signal.outcome)) return Effect.fail(new FailedAnswer(part))
      this.contentSeen ||= signal._tag === "Content"
      released = (signal._tag !== "Alive" && signal._tag !== "Content") ||
        (this.contentSeen && this.parts.length > rescue) || this.isFull(part)
    }
    return released ? Effect.succeed(this.release()) : this.more
  }

  /** Whether content has to be let through, because a part is more than can be held. Without any the attempt fails. */
  private isFull(part: A): boolean {
    const { limits, overflow, sizeOf } = this.holding
    const refusal = this.bytes.take(sizeOf(part, limits.ofCall))
    if (refusal === undefined || this.contentSeen) return refusal !== undefined
    this.overflows = true
    this.parts = []
    this.bytes.free()
    overflow(refusal)
    return false
  }

  /** The parts that were held, those on their way, and the others as they come, of which nothing is kept here. */
  private release(pulling?: Parts<A>): AnyStream<A> {
    const [first, ...others] = this.parts
    const next: Array<Parts<A>> = []
    if (first !== undefined || others.length > 0) {
      next.push(Effect.as(Effect.sync(this.bytes.free), [first as A, ...others] as const))
    }
    if (pulling !== undefined) next.push(pulling)
    this.parts = []
    return Stream.fromPull(Effect.succeed(Effect.suspend(() => next.shift() ?? this.pull)))
  }
}
