/** One stream through one circuit: admit, watch every part on the provider's side, judge, settle once. */
import { Cause, Channel, Duration, Effect, Exit, Pull, type Scope, Stream } from "effect"
import type { Permit } from "../../Circuit.ts"
import * as CircuitError from "../../CircuitError.ts"
import * as Outcome from "../../Outcome.ts"
import { alive, type ClassifyPart, content, type Opaque, type StreamSignal } from "../../StreamSignal.ts"
import type { StreamLimits } from "../options/streamLimits.ts"
import { invalid } from "../options/validation.ts"
import type { Call } from "./call.ts"
import { callerError, checked, contained } from "./containment.ts"
import { finish, noteBlocked, take, verdict } from "./guard.ts"
import { beginLastResort } from "./lastResort.ts"
import { beginProbe, CurrentProbe, probeOf } from "./probing.ts"
import { StreamTime } from "./streamTime.ts"
import * as trace from "./trace.ts"
import { within } from "./within.ts"

export interface StreamCall<in A> extends Call, StreamLimits {
  readonly classifyPart: ClassifyPart<A> | Opaque
  readonly settleProbeAt: "finish" | "first_content"
}

export const guardStream = <A, E, R>(
  self: Stream.Stream<A, E, R>,
  begin: Effect.Effect<StreamCall<A>>
): Guarded<A, E, R> =>
  Stream.unwrap(
    Effect.flatMap(
      begin,
      (call): Effect.Effect<Guarded<A, E, R>, CircuitError.CircuitBreakerError, Scope.Scope> => {
        const probing = call.circuit.pass === undefined ? probeOf(call.circuit) : undefined
        if (probing !== undefined) {
          if (probing.heard === undefined) return Effect.succeed(self)
          call.partOf = probing
        }
        return watched(self, call)
      }
    )
  )

type Guarded<A, E, R> = Stream.Stream<A, E | CircuitError.CircuitBreakerError, R>

const watched = <A, E, R>(self: Stream.Stream<A, E, R>, call: StreamCall<A>) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const watch = yield* Effect.acquireRelease(
      admit(call),
      // Ignored, because the consumer has stopped, failed or been interrupted.
      (watch) => watch.settle(cancelled, true)
    )
    // The first pull opens the stream, because the time for that counts as the provider's.
    let pull: Parts<A, E, R> = Effect.flatMap(
      Channel.toPullScoped(Stream.toChannel(inProbe(self, call)), scope),
      (opened) => pull = opened
    )
    return Stream.fromPull(Effect.succeed(watch.guard(Effect.suspend(() => pull))))
  })

type Parts<A, E, R> = Pull.Pull<readonly [A, ...Array<A>], E, void, R>

const inProbe = <A, E, R>(self: Stream.Stream<A, E, R>, { probing }: Call) =>
  probing === undefined ? self : Stream.provideService(self, CurrentProbe, probing)

const admit = <A>(call: StreamCall<A>): Effect.Effect<Watch<A>, CircuitError.CircuitBreakerError> => {
  const generation = call.partOf?.generation ?? (beginLastResort(call) ? call.circuit.generation : undefined)
  if (generation !== undefined) return Effect.succeed(new Watch(call, { generation, probe: 0 }))
  return Effect.map(take(call), (permit) => {
    if (permit.probe > 0) call.probing = beginProbe(call.circuit, permit)
    return new Watch(call, permit)
  })
}

class Watch<A> {
  private readonly call: StreamCall<A>
  private permit: Permit
  /** Whether a probe was judged by its first content and did not close the circuit: then a good end changes nothing. */
  private judged = false
  private settled = false
  private served = false
  private waiting = false
  private contentSeen = false
  private readonly time: StreamTime
  private pulls = 0

  constructor(call: StreamCall<A>, permit: Permit) {
    this.call = call
    this.permit = permit
    this.time = new StreamTime(call.clock)
  }

  /** Settles the permit, once. */
  settle(outcome: Outcome.Outcome, interrupted: boolean): Effect.Effect<void> {
    if (this.settled) return Effect.void
    this.settled = true
    const good = outcome._tag === "Success" || outcome._tag === "Ignored"
    const permit = this.judged && good ? undefined : this.permit
    return finish(this.call, permit, outcome, interrupted, this.time.firstContentMillis) ?? Effect.void
  }

  /** Takes the next parts from the provider, within the limits, and judges them. */
  guard<E, R>(pull: Parts<A, E, R>): Parts<A, E | CircuitError.CircuitBreakerError, R> {
    return Effect.suspend(() =>
      ++this.pulls % pullsBetweenYields === 0
        ? Effect.flatMap(Effect.yieldNow, () => this.take(pull))
        : this.take(pull)
    )
  }

  private take<E, R>(pull: Parts<A, E, R>): Parts<A, E | CircuitError.CircuitBreakerError, R> {
    this.time.asked(!this.waiting)
    const limit = this.limit()
    const limited = limit === undefined ? pull : within(pull, {
      duration: Duration.millis(Math.max(0, this.time.leftMillis(limit.limit))),
      orElse: () => this.timedOut(limit)
    })
    return Effect.matchCauseEffect(limited, {
      onSuccess: (parts) => {
        this.time.answered(!this.waiting, parts.length)
        const settling = this.observe(parts, 0)
        if (settling !== undefined) return Effect.as(settling, parts)
        const exceeded = this.exceeded()
        return exceeded === undefined
          ? Effect.succeed(parts)
          : Effect.catchCause(this.timedOut(exceeded), (cause) => this.ended(cause))
      },
      onFailure: (cause) => {
        this.time.answered(!this.waiting, 0)
        return this.ended(cause)
      }
    })
  }

  /** The limit that has passed without progress. Compared at every part, because a quick pull ends before any timer. */
  private exceeded(): Limit | undefined {
    const limit = this.limit()
    return limit !== undefined && this.time.leftMillis(limit.limit) <= 0 ? limit : undefined
  }

  private limit(): Limit | undefined {
    if (this.waiting) return undefined
    const { firstContentTimeout, idleTimeout } = this.call
    const phase = this.contentSeen ? "idle" : "first_content"
    const limit = phase === "idle" ? idleTimeout : firstContentTimeout
    return Duration.isFinite(limit) ? { phase, limit } : undefined
  }

  private timedOut({ limit, phase }: Limit): Effect.Effect<never, Cause.Done | CircuitError.CircuitBreakerError> {
    // Ends without an error, because the answer is complete.
    if (this.served) return Cause.done()
    this.time.answered(true, 0)
    const { key, listeners } = this.call.circuit
    listeners?.onStreamWait(phase, phase === "idle" ? this.time.idleMillis : this.time.firstContentMillis)
    const settling = this.settle(phase === "idle" ? stalled : slowFirstContent, false)
    return Effect.andThen(settling, Effect.fail(CircuitError.make({ _tag: "AttemptTimedOut", key, phase, limit })))
  }

  /** Judges the parts from an index on; an effect if one of them settles the call. */
  private observe(parts: ReadonlyArray<A>, from: number): Effect.Effect<void> | undefined {
    for (let next = from; next < parts.length;) {
      const settling = this.heed(this.signalOf(parts[next++]!))
      if (settling !== undefined) {
        return Effect.andThen(settling, Effect.suspend(() => this.observe(parts, next) ?? Effect.void))
      }
    }
    return undefined
  }

  private heed(signal: StreamSignal): Effect.Effect<void> | undefined {
    this.waiting = signal._tag === "Waiting"
    if (signal._tag !== "Alive") {
      // Parts that come together are one wait.
      const { idleMillis } = this.time
      if (this.contentSeen && idleMillis > 0) this.call.circuit.listeners?.onStreamWait("idle", idleMillis)
      this.time.progressed()
    }
    switch (signal._tag) {
      case "Alive":
      case "Waiting":
        return undefined
      case "Content":
        return this.contentSeen ? undefined : this.firstContent()
      case "Finish":
      case "Failed":
        this.served ||= signal._tag === "Finish"
        return this.settled
          ? undefined
          : this.settle(contained(this.call, () => checked(signal.outcome), callerError), false)
    }
  }

  private signalOf(part: A): StreamSignal {
    const { classifyPart } = this.call
    if (isOpaque(classifyPart)) return content
    return contained(this.call, () => checkedSignal(classifyPart(part)), alive)
  }

  private firstContent(): Effect.Effect<void> | undefined {
    this.contentSeen = true
    this.time.content()
    const { circuit, clock, settleProbeAt } = this.call
    circuit.listeners?.onStreamWait("first_content", this.time.firstContentMillis)
    if (this.call.span !== undefined) trace.firstContent(this.call, this.time.firstContentMillis)
    const { permit } = this
    if (permit.probe === 0 || settleProbeAt === "finish" || this.settled) return undefined
    const inTime = circuit.view(clock).generation === permit.generation
    const settling = circuit.settle(clock, permit, Outcome.success, this.time.firstContentMillis, false) ?? Effect.void
    if (this.call.span !== undefined) trace.ended(this.call, permit, Outcome.success, false)
    // If that closed the circuit, the rest of the answer is a call of the closed circuit.
    const moveOn = Effect.sync(() => {
      const { generation, reason } = circuit.view(clock)
      // Not after a reset, because calls that began before a reset do not count.
      if (inTime && reason === "probe_succeeded") this.permit = { generation, probe: 0 }
      else this.judged = true
    })
    return Effect.andThen(settling, moveOn)
  }

  private ended<E>(
    cause: Cause.Cause<E | Cause.Done>
  ): Effect.Effect<never, E | Cause.Done | CircuitError.CircuitBreakerError> {
    const { circuit, classifyPart } = this.call
    if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
    if (!Pull.isDoneCause(cause)) return this.failed(cause, () => verdict(this.call, Exit.failCause(cause), false))
    if (this.settled || isOpaque(classifyPart)) {
      return Effect.andThen(this.settle(Outcome.success, false), Effect.failCause(cause))
    }
    return this.failed(Cause.fail(CircuitError.make({ _tag: "StreamCut", key: circuit.key })), () => cut)
  }

  private failed<E>(cause: Cause.Cause<E>, outcome: () => Outcome.Outcome): Effect.Effect<never, E> {
    const settling = this.settled ? Effect.void : this.settle(outcome(), false)
    return Effect.andThen(
      settling,
      Effect.suspend(() => {
        noteBlocked(this.call, cause)
        return Effect.failCause(cause)
      })
    )
  }
}

// Yields, because a stream whose pulls all end in a microtask would keep timers and other fibers from running.
const pullsBetweenYields = 32

interface Limit {
  readonly phase: "first_content" | "idle"
  readonly limit: Duration.Duration
}

/** Whether nothing is known of the parts: then every one is content, and the end is the finish. */
export const isOpaque = (reader: ClassifyPart<never> | Opaque): reader is Opaque => typeof reader !== "function"

/** A reader of parts, which is never left out, because without one a broken answer looks whole. */
export const partReader = <A>(reader: ClassifyPart<A> | Opaque): ClassifyPart<A> | Opaque =>
  typeof reader === "function" || Object(reader)._tag === "Opaque"
    ? reader
    : invalid("classifyPart", reader, "a reader of parts, such as LlmStream.openAi, or StreamSignal.opaque")

/** Checks what the types promise, because casts and JavaScript can break it. */
export const checkedSignal = (signal: StreamSignal): StreamSignal => {
  if (signals.has(signal._tag)) return signal
  throw new TypeError("classifyPart returned something that is not a StreamSignal")
}

const signals = new Set<StreamSignal["_tag"]>(["Alive", "Content", "Waiting", "Finish", "Failed"])

const cancelled = Outcome.ignored("cancelled")
const cut = Outcome.failure("stream_cut")
const stalled = Outcome.failure("stream_stalled")
const slowFirstContent = Outcome.failure("slow_first_content")
