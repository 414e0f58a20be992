/** One stream through one circuit: admit, watch every part on the provider's side, judge, settle once. */
import { Cause, Channel, Duration, Effect, Exit, Pull, Stream } from "effect"
import type { Permit } from "../Circuit.ts"
import * as CircuitError from "../CircuitError.ts"
import * as Outcome from "../Outcome.ts"
import { alive, type ClassifyPart, content, type StreamSignal } from "../StreamSignal.ts"
import { type Call, contained, finish, noteBlocked, reject, verdict } from "./guard.ts"
import { elapsedMillis } from "./time.ts"

export interface StreamCall<in A> extends Call {
  /** Undefined if nothing is known of the parts: then every one is content, and the end is the finish. */
  readonly classifyPart: ClassifyPart<A> | undefined
  readonly firstContentTimeout: Duration.Duration | undefined
  readonly idleTimeout: Duration.Duration | undefined
  readonly settleProbeAt: "finish" | "first_content"
}

export const guardStream = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  begin: Effect.Effect<StreamCall<A>>
): Stream.Stream<A, E | CircuitError.CircuitBreakerError, R> =>
  Stream.unwrap(
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      const watch = yield* Effect.acquireRelease(
        Effect.flatMap(begin, admit),
        // The consumer stopped, failed or was interrupted: none of it is the provider's doing.
        (watch) => watch.settle(cancelled, true)
      )
      return Stream.fromPull(
        Effect.map(
          watch.limited(Channel.toPullScoped(Stream.toChannel(self), scope), () => undefined),
          (pull) => watch.limited(pull, (parts) => watch.observe(parts))
        )
      )
    })
  )

const admit = <A>(call: StreamCall<A>): Effect.Effect<Watch<A>, CircuitError.CircuitBreakerError> => {
  const decision = call.circuit.pass ?? call.circuit.admit(call.clock, Math.floor(call.startedAt))
  return Effect.flatMap(
    decision === "claim" ? call.circuit.claim : Effect.succeed(decision),
    (decision) => "_tag" in decision ? reject(call, decision) : Effect.succeed(new Watch(call, decision))
  )
}

class Watch<A> {
  private readonly call: StreamCall<A>
  private permit: Permit
  private settled = false
  private served = false
  private contentSeen = false
  private firstContentMillis: number | undefined
  // The time for which a pull was outstanding since the last progress: nobody stalls while nobody asks.
  private outstanding = 0
  private pausedByTool = false

  constructor(call: StreamCall<A>, permit: Permit) {
    this.call = call
    this.permit = permit
  }

  /** Settles the permit, unless that was done. */
  settle(outcome: Outcome.Outcome, interrupted: boolean): Effect.Effect<void> {
    if (this.settled) return Effect.void
    this.settled = true
    return finish(this.call, this.permit, outcome, interrupted, this.firstContentMillis) ?? Effect.void
  }

  /** A step on the provider's side: opening the stream, or pulling its next parts. */
  limited<B, E, R>(
    step: Effect.Effect<B, E, R>,
    observe: (value: B) => Effect.Effect<void> | undefined
  ): Effect.Effect<B, E | CircuitError.CircuitBreakerError, R> {
    return Effect.suspend(() => {
      const since = elapsedMillis(this.call.clock)
      const limit = this.pausedByTool ? undefined : this.limit()
      const timed = limit === undefined ? step : Effect.timeoutOrElse(step, {
        duration: Duration.millis(Math.max(0, limit.millis - this.outstanding)),
        orElse: () => this.timedOut(limit)
      })
      return Effect.matchCauseEffect(timed, {
        onSuccess: (value) => {
          this.outstanding += elapsedMillis(this.call.clock) - since
          const settling = observe(value)
          return settling === undefined ? Effect.succeed(value) : Effect.as(settling, value)
        },
        onFailure: (cause) => this.ended(cause)
      })
    })
  }

  private limit() {
    const { firstContentTimeout, idleTimeout } = this.call
    const [phase, limit] = this.contentSeen
      ? ["idle", idleTimeout] as const
      : ["first_content", firstContentTimeout ?? idleTimeout] as const
    return limit === undefined ? undefined : { phase, limit, millis: Duration.toMillis(limit) }
  }

  private timedOut({ limit, phase }: { readonly phase: "first_content" | "idle"; readonly limit: Duration.Duration }) {
    const outcome = phase === "idle" ? stalled : slowFirstContent
    const error = CircuitError.make({ _tag: "AttemptTimedOut", key: this.call.circuit.key, phase, limit })
    return Effect.andThen(this.settle(outcome, false), Effect.fail(error))
  }

  /** Reads the signals of what came; an effect if the store wants to be waited for. */
  observe(parts: ReadonlyArray<A>): Effect.Effect<void> | undefined {
    let settling: Effect.Effect<void> | undefined
    for (const part of parts) {
      const signal = this.signalOf(part)
      this.pausedByTool = signal._tag === "Waiting"
      if (signal._tag === "Alive") continue
      this.outstanding = 0
      if (signal._tag === "Finish") this.served = true
      else if (signal._tag === "Content" && !this.contentSeen) settling = this.firstContent()
      if ((signal._tag === "Finish" || signal._tag === "Failed") && !this.settled) {
        settling = this.settle(signal.outcome, false)
      }
    }
    return settling
  }

  private signalOf(part: A): StreamSignal {
    const { classifyPart } = this.call
    if (classifyPart === undefined) return content
    return contained(this.call, () => {
      const signal = classifyPart(part)
      if (signals.has(signal._tag)) return signal
      throw new TypeError("classifyPart returned something that is not a StreamSignal")
    }, alive)
  }

  // A probe may close the circuit now: the rest of the answer is then a call of the closed circuit.
  private firstContent(): Effect.Effect<void> | undefined {
    this.contentSeen = true
    this.firstContentMillis = elapsedMillis(this.call.clock) - this.call.startedAt
    if (this.permit.probe === 0 || this.call.settleProbeAt === "finish" || this.settled) return undefined
    const { circuit } = this.call
    const waiting = circuit.settle(this.call.clock, this.permit, Outcome.success, this.firstContentMillis, false)
    this.permit = circuit.pass ?? this.permit
    return waiting
  }

  private ended<E>(cause: Cause.Cause<E>): Effect.Effect<never, E | CircuitError.CircuitBreakerError> {
    const { circuit, classifyPart } = this.call
    if (!Pull.isDoneCause(cause)) {
      if (this.settled || Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
      const settling = this.settle(verdict(this.call, Exit.failCause(cause), false), false)
      noteBlocked(this.call, cause)
      return Effect.andThen(settling, Effect.failCause(cause))
    }
    if (this.settled || classifyPart === undefined || this.served) {
      return Effect.andThen(this.settle(Outcome.success, false), Effect.failCause(cause))
    }
    return Effect.andThen(
      this.settle(cut, false),
      Effect.fail(CircuitError.make({ _tag: "StreamCut", key: circuit.key }))
    )
  }
}

const signals = new Set<StreamSignal["_tag"]>(["Alive", "Content", "Waiting", "Finish", "Failed"])

const cancelled = Outcome.ignored("cancelled")
const cut = Outcome.failure("stream_cut")
const stalled = Outcome.failure("stream_stalled")
const slowFirstContent = Outcome.failure("slow_first_content")
