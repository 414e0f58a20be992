/** A circuit of the fleet in this process: a replica that answers at once, and a record in Redis that decides. */
import { Clock, Effect, Fiber } from "effect"
import { never, type Permit, type State } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { CircuitHandle, Operator } from "../../CircuitStore.ts"
import type { Initial } from "../../internal/circuit/initial.ts"
import type { Kept } from "../../internal/circuit/registry.ts"
import { wholeMillis } from "../../internal/clock/time.ts"
import type { Evidence } from "../../internal/machine/evidence.ts"
import type { Listeners } from "../../internal/observers/listeners.ts"
import type { CompiledPolicy } from "../../internal/options/compiledPolicy.ts"
import type { Outcome } from "../../Outcome.ts"
import type { Authority } from "./authority.ts"
import type { Follower, Heartbeat } from "./heartbeat.ts"
import { ProbingCircuit } from "./probingCircuit.ts"

interface Call {
  readonly permit: Permit
  readonly outcome: Outcome
  readonly durationMillis: number
  readonly interrupted: boolean
}

export class RedisCircuit extends ProbingCircuit implements CircuitHandle, Kept, Follower {
  private readonly heartbeat: Heartbeat
  /** The successes of a generation that are still to be reported, and whether one of them ended a streak. */
  private unreportedOf = 0
  private unreported = 0
  private streakEnded = false

  constructor(
    key: string,
    policy: CompiledPolicy,
    authority: Authority,
    heartbeat: Heartbeat,
    initial: Initial,
    kept: boolean
  ) {
    super(key, policy, authority, initial, kept)
    this.heartbeat = heartbeat
  }

  get timed(): boolean {
    return this.replica.timed
  }

  get stateName(): State {
    return this.replica.stateName
  }

  get generation(): number {
    return this.replica.generation
  }

  get listeners(): Listeners | undefined {
    return this.replica.listeners
  }

  get evidence(): Evidence {
    return this.replica.evidence
  }

  set evidence(evidence: Evidence) {
    this.replica.evidence = evidence
  }

  get servedAt(): number {
    return this.replica.servedAt
  }

  set servedAt(millis: number) {
    this.replica.servedAt = millis
  }

  turnAway(_clock: Clock.Clock, now: number, retryAfterMillis: number): Rejection {
    return this.replica.turnAway(this.authority.clock, now, retryAfterMillis)
  }

  forgotten(): void {
    this.replica.forgotten()
  }

  settle(
    _clock: Clock.Clock,
    permit: Permit,
    outcome: Outcome,
    durationMillis: number,
    interrupted: boolean
  ): Effect.Effect<void> | undefined {
    const { authority, replica } = this
    if (replica.changesNothing(permit, outcome)) return undefined
    const { clock } = authority
    if (this.degraded) {
      if (this.ended(permit)) this.slotLost = true
      return replica.settle(clock, permit, outcome, durationMillis, interrupted)
    }
    const call: Call = { permit, outcome, durationMillis, interrupted }
    if (permit.probe > 0) {
      if (!this.ended(permit)) return replica.late(clock, outcome)
    } else {
      if (permit.generation !== replica.current.generation) return replica.late(clock, outcome)
      if (outcome._tag === "Ignored") return undefined
      if (outcome._tag === "Success" && !replica.isSlow(durationMillis)) {
        replica.observe(clock, outcome, durationMillis)
        return this.reportLater()
      }
    }
    const report = authority.fork(this.report(call))
    return interrupted ? undefined : Effect.asVoid(Effect.interruptible(Fiber.await(report)))
  }

  rejectsFor(): number {
    return this.replica.rejectsFor(this.authority.now())
  }

  get state(): Effect.Effect<CircuitState> {
    const view = Effect.sync(() => this.view())
    return Effect.suspend(() =>
      this.degraded ? view : Effect.matchEffect(this.send("read"), {
        onFailure: () => view,
        onSuccess: (answer) => Effect.sync(() => this.agreed(this.replica.viewWith(this.authority.clock, answer)))
      })
    )
  }

  view(): CircuitState {
    return this.agreed(this.replica.view(this.authority.clock))
  }

  // With the generation of the record, so that all processes agree: 0 while there is none.
  private agreed(state: CircuitState): CircuitState {
    return { ...state, generation: this.inStore(state.generation) }
  }

  forceOpen(millis: number | undefined, operator: Operator): Effect.Effect<void> {
    return this.steer("force", [millis ?? never], operator, this.replica.forceOpen(millis, operator))
  }

  reset(operator: Operator): Effect.Effect<void> {
    return this.steer("reset", [], operator, this.replica.reset(operator))
  }

  disable(operator: Operator): Effect.Effect<void> {
    return this.steer("disable", [], operator, this.replica.disable(operator))
  }

  enable(operator: Operator): Effect.Effect<void> {
    return this.steer("enable", [], operator, this.replica.enable(operator))
  }

  get seenAt(): number {
    return this.replica.seenAt
  }

  set seenAt(at: number) {
    this.replica.seenAt = at
  }

  share(policy: CompiledPolicy, clock: Clock.Clock): void {
    this.replica.share(policy, clock)
  }

  isSpare(now: number): boolean {
    return this.replica.isSpare(now)
  }

  isIdle(now: number, idleMillis: number): boolean {
    return this.replica.isIdle(now, idleMillis)
  }

  override rejoin(): void {
    super.rejoin()
    this.forget()
  }

  get tend(): Effect.Effect<void> | undefined {
    const { beatMillis, degraded, settings } = this.authority
    if (degraded) return void this.prolong()
    const now = this.authority.now()
    const due = this.renewals(now)
    if (due.length > 0) return Effect.ignore(Effect.all(due))
    // Already now, because at the next beat the view would be too old.
    const old = now - this.readAt >= settings.maxStalenessMillis - beatMillis
    if (!this.slotLost && (!old || now - this.seenAt >= settings.maxStalenessMillis)) return undefined
    return Effect.ignore(
      this.degraded ? this.merge : Effect.tap(this.send("read"), (answer) => this.giveBackLost(answer))
    )
  }

  get flush(): Effect.Effect<void> {
    return Effect.suspend(() => this.degraded || this.unreported === 0 ? Effect.void : this.report(undefined))
  }

  // Successes are reported later, together. One that ends a streak is reported at once, but the call does not wait.
  private reportLater(): undefined {
    const { authority, replica } = this
    const { failures, generation } = replica.current
    if (this.unreportedOf !== generation) this.forget()
    this.unreportedOf = generation
    if (replica.remembers) this.unreported++
    if (failures > 0) {
      this.streakEnded = true
      replica.endStreak()
      authority.fork(this.report(undefined))
    } else if (this.unreported > 0) this.heartbeat.flushLater(this)
  }

  private forget(): void {
    this.unreported = 0
    this.streakEnded = false
  }

  private report(call: Call | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { authority, replica } = this
      const { clock } = authority
      const { durationMillis = 0, outcome, permit } = call ?? {}
      const generation = permit?.generation ?? replica.current.generation
      if (this.unreportedOf !== generation) this.forget()
      const { streakEnded, unreported } = this
      this.forget()
      const { first, next } = replica.openSteps(authority.now())
      const sent = this.query(
        "report",
        this.inStore(generation),
        unreported,
        streakEnded ? 1 : 0,
        permit?.probe ?? 0,
        outcome?._tag ?? "",
        outcome === undefined || outcome._tag === "Success" ? "" : outcome.kind,
        outcome !== undefined && "retryAfter" in outcome ? wholeMillis(outcome.retryAfter) : 0,
        durationMillis,
        first,
        next
      )
      return Effect.match(sent, {
        // A call that could not be reported counts in the replica.
        onFailure: () => {
          if (call !== undefined) {
            this.slotLost ||= call.permit.probe > 0
            replica.settle(clock, call.permit, call.outcome, call.durationMillis, call.interrupted)
          }
        },
        onSuccess: (answer) => {
          if (call !== undefined && answer.status === "late") replica.late(clock, call.outcome)
          else if (call !== undefined) {
            if (call.permit.probe === 0) replica.observe(clock, call.outcome, call.durationMillis)
            replica.announceCall(clock, call, answer)
          }
          this.adopt(answer)
        }
      })
    })
  }

  private steer(
    operation: "force" | "reset" | "disable" | "enable",
    args: ReadonlyArray<number>,
    { actor = "", reason = "" }: Operator,
    here: Effect.Effect<void>
  ): Effect.Effect<void> {
    const steerHere = Effect.provideService(here, Clock.Clock, this.authority.clock)
    return Effect.suspend(() => {
      if (this.degraded) return steerHere
      const ordered = this.send(operation, ...args, reason, actor)
      // Reads first if it never has, because the transition is announced only if the state before it is known.
      const announced = this.hasRead ? ordered : Effect.andThen(this.send("read"), ordered)
      return Effect.matchEffect(announced, { onFailure: () => steerHere, onSuccess: () => Effect.void })
    })
  }
}
