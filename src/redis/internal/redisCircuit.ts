/** One circuit of the fleet as this process sees it: a replica that answers at once, and an authority that decides. */
import { Clock, Effect, Fiber } from "effect"
import { never, type Permit, type State } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { CircuitHandle, Operator } from "../../CircuitStore.ts"
import type { EvidenceLog } from "../../internal/circuit/evidenceLog.ts"
import type { Fresh } from "../../internal/circuit/fresh.ts"
import { wholeMillis } from "../../internal/circuit/localCircuit.ts"
import type { Kept } from "../../internal/circuit/registry.ts"
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
  /** Successes of a generation that the store has not heard of, and whether one of them ended a streak of failures. */
  private heldOf = 0
  private held = 0
  private streakEnded = false

  constructor(
    key: string,
    policy: CompiledPolicy,
    authority: Authority,
    heartbeat: Heartbeat,
    fresh: Fresh,
    kept: boolean
  ) {
    super(key, policy, authority, fresh, kept)
    this.heartbeat = heartbeat
  }

  get timed(): boolean {
    return this.replica.timed
  }

  get standing(): State {
    return this.replica.standing
  }

  get generation(): number {
    return this.replica.generation
  }

  get listeners(): Listeners | undefined {
    return this.replica.listeners
  }

  get evidence(): EvidenceLog {
    return this.replica.evidence
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
    if (this.alone) {
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
        return this.hold()
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
      this.alone ? view : Effect.matchEffect(this.send("read"), {
        onFailure: () => view,
        onSuccess: (answer) => Effect.sync(() => this.agreed(this.replica.viewWith(this.authority.clock, answer)))
      })
    )
  }

  view(): CircuitState {
    return this.agreed(this.replica.view(this.authority.clock))
  }

  // In the generations of the fleet: one that each process counts by itself is told as the 0 that it is for all.
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
    const { alone, beatMillis, settings } = this.authority
    if (alone) return void this.prolong()
    const now = this.authority.now()
    const due = this.renewals(now)
    if (due.length > 0) return Effect.ignore(Effect.all(due))
    // At the next beat it would be too old.
    const old = now - this.readAt >= settings.maxStalenessMillis - beatMillis
    if (!this.slotLost && (!old || now - this.seenAt >= settings.maxStalenessMillis)) return undefined
    return Effect.ignore(this.alone ? this.merge : Effect.tap(this.send("read"), (answer) => this.giveBackLost(answer)))
  }

  get flush(): Effect.Effect<void> {
    return Effect.suspend(() => this.alone || this.held === 0 ? Effect.void : this.report(undefined))
  }

  // Successes are heard of later; the one that ends a streak is told at once, but nobody waits for it.
  private hold(): undefined {
    const { authority, replica } = this
    const { failures, generation } = replica.current
    if (this.heldOf !== generation) this.forget()
    this.heldOf = generation
    if (replica.remembers) this.held++
    if (failures > 0) {
      this.streakEnded = true
      replica.endStreak()
      authority.fork(this.report(undefined))
    } else if (this.held > 0) this.heartbeat.flushLater(this)
  }

  private forget(): void {
    this.held = 0
    this.streakEnded = false
  }

  private report(call: Call | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { authority, replica } = this
      const { clock } = authority
      const { durationMillis = 0, outcome, permit } = call ?? {}
      const generation = permit?.generation ?? replica.current.generation
      if (this.heldOf !== generation) this.forget()
      const { held, streakEnded } = this
      this.forget()
      const { first, next } = replica.openSteps(authority.now())
      const sent = this.query(
        "report",
        this.inStore(generation),
        held,
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
        // What the store could not be told counts here.
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
            replica.tellCall(clock, call, answer)
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
    const alone = Effect.provideService(here, Clock.Clock, this.authority.clock)
    return Effect.suspend(() => {
      if (this.alone) return alone
      const told = this.send(operation, ...args, reason, actor)
      // Whoever has never looked would not know what it is that changes.
      const looked = this.looked ? told : Effect.andThen(this.send("read"), told)
      return Effect.matchEffect(looked, { onFailure: () => alone, onSuccess: () => Effect.void })
    })
  }
}
