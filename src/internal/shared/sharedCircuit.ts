/** A circuit of the fleet in this process: a local circuit that answers at once, and a record that decides. */
import { Clock, Effect, Fiber } from "effect"
import * as Circuit from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { CircuitHandle, Operator } from "../../CircuitStore.ts"
import type { Outcome } from "../../Outcome.ts"
import type { StoreFault } from "../../RecordStore.ts"
import * as describe from "../circuit/describe.ts"
import type { Initial } from "../circuit/initial.ts"
import { LocalCircuit } from "../circuit/localCircuit.ts"
import type { Kept } from "../circuit/registry.ts"
import { circuitMillis, wallMillis } from "../clock/time.ts"
import type { Identity } from "../machine/evidence.ts"
import { judge } from "../machine/judge.ts"
import { keyed, numberOf } from "../machine/keyed.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import type { Authority } from "./authority.ts"
import type { Change } from "./change.ts"
import { Claims } from "./claims.ts"
import type { Entry } from "./entry.ts"
import { eventsOf } from "./eventsOf.ts"
import { Following } from "./following.ts"
import type { Heartbeat } from "./heartbeat.ts"
import type { Host } from "./host.ts"
import { order } from "./orders.ts"
import type { Part } from "./part.ts"
import { type Known, type Problem, RecordQueue } from "./recordQueue.ts"
import { Reports } from "./reports.ts"
import { countedBy, type Ended, type Settled } from "./settlement.ts"

export class SharedCircuit extends LocalCircuit implements CircuitHandle, Host, Kept {
  readonly authority: Authority
  readonly queue: RecordQueue
  readonly following: Following
  private readonly claims: Claims
  private readonly reports: Reports
  private readonly id: string
  /** Whether the circuit stays in this process; one that is made to answer one question announces nothing. */
  private readonly kept: boolean

  constructor(
    key: string,
    id: string,
    policy: CompiledPolicy,
    authority: Authority,
    heartbeat: Heartbeat,
    initial: Initial,
    kept: boolean
  ) {
    super(key, policy, authority.hub, initial.circuit, initial.pass)
    this.id = id
    this.authority = authority
    this.kept = kept
    this.following = new Following(this, initial, kept)
    this.queue = new RecordQueue(id, authority, this.following, {
      gateMillis: policy.rules.maxHintMillis * 2,
      announceProblem: (problem) => this.announceProblem(problem)
    })
    this.claims = new Claims(this)
    this.reports = new Reports(this, () => heartbeat.flushLater(this))
    this.refresh()
  }

  /** The identity of a call under the number of the record, by which processes know it from each other. */
  keyed(identity: Identity): Identity {
    return keyed(numberOf(this.key), identity)
  }

  get part(): Part {
    return this.queue.part
  }

  inStore(generation: number): number {
    return this.following.inStore(generation)
  }

  get current(): Circuit.Circuit {
    return this.circuit
  }

  get degraded(): boolean {
    return this.authority.closed || this.queue.part.degraded || this.following.diverged ||
      this.queue.unusable !== undefined
  }

  /** Whether this process may decide, because no change was missed or the store cannot be asked. */
  get isUpToDate(): boolean {
    return this.queue.isUpToDate || this.degraded
  }

  refresh(): void {
    this.pass = !this.isUpToDate || !Circuit.admitsAll(this.circuit)
      ? undefined
      : this.pass ?? { generation: this.circuit.generation, probe: 0 }
  }

  override admit(): Circuit.Permit | Rejection | "claim" {
    const { authority } = this
    return this.isUpToDate ? super.admit(authority.clock, authority.now()) : "claim"
  }

  override turnAway(_clock: Clock.Clock, now: number, retryAfterMillis: number): Rejection {
    return super.turnAway(this.authority.clock, now, retryAfterMillis)
  }

  override get claim(): Effect.Effect<Circuit.Permit | Rejection> {
    return this.claims.claim(this.isUpToDate ? this.policy.rules.probes : 1)
  }

  get claimHere(): Effect.Effect<Circuit.Permit | Rejection> {
    return Effect.provideService(super.claim, Clock.Clock, this.authority.clock)
  }

  decideNow(): Circuit.Permit | Rejection {
    const { clock } = this.authority
    const decision = this.pass ?? super.admit(clock, this.authority.now())
    if (decision !== "claim") return decision
    const refused = { _tag: "Rejected", by: "half_open", retryAfterMillis: undefined, circuit: this.circuit } as const
    return this.reject(clock, circuitMillis(clock), refused)
  }

  override settle(
    _clock: Clock.Clock,
    permit: Circuit.Permit,
    outcome: Outcome,
    durationMillis: number,
    interrupted: boolean
  ): Effect.Effect<void> | undefined {
    const { authority: { clock }, claims, reports } = this
    if (outcome._tag === "Success") reports.served()
    if (this.changesNothing(permit, outcome)) return undefined
    if (this.degraded) {
      if (claims.ended(permit)) claims.slotLost = true
      return super.settle(clock, permit, outcome, durationMillis, interrupted)
    }
    if (permit.probe > 0) {
      if (!claims.ended(permit)) return this.late(clock, outcome)
      this.free(permit.probe)
    } else {
      if (permit.generation !== this.circuit.generation) return this.late(clock, outcome)
      if (outcome._tag === "Ignored") return undefined
      if (outcome._tag === "Success" && durationMillis <= this.weighed().slowerThanMillis) {
        return reports.success(outcome, durationMillis)
      }
    }
    const report = this.authority.fork(reports.report({ permit, outcome, durationMillis, interrupted }))
    return interrupted ? undefined : Effect.asVoid(Effect.interruptible(Fiber.await(report)))
  }

  settleHere({ durationMillis, interrupted, outcome, permit }: Ended): void {
    if (permit.probe > 0) this.claims.slotLost = true
    super.settle(this.authority.clock, permit, outcome, durationMillis, interrupted)
  }

  override probedEarly(): void {
    if (this.degraded) return super.probedEarly(this.authority.clock)
    this.authority.fork(this.reports.probedEarly)
  }

  override rejectsFor(): number {
    return super.rejectsFor(this.authority.now())
  }

  override get state(): Effect.Effect<CircuitState> {
    const view = Effect.sync(() => this.view())
    return Effect.suspend(() =>
      this.degraded ? view : Effect.andThen(Effect.ignore(this.asked("read", this.queue.read)), view)
    )
  }

  override view(): CircuitState {
    const { authority, queue } = this
    const health = this.weighed()
    const now = authority.now()
    const judgement = this.degraded || !queue.hasRead
      ? { failureThreshold: health.failureThreshold(), failureRatePpm: health.failureRatePpm(now) }
      : judge(this.policy.criteria, countedBy(queue.basis))
    const state = describe.state(this.circuit, this.scene(authority.clock, now), judgement)
    // With the generation of the record, so that all processes agree: 0 while there is none.
    return { ...state, generation: this.inStore(state.generation) }
  }

  override forceOpen(millis: number | undefined, operator: Operator): Effect.Effect<void> {
    return order(
      this,
      "force",
      operator,
      super.forceOpen(millis, operator),
      (circuit, now) => Circuit.force(circuit, now, millis === undefined ? Circuit.never : now + millis)
    )
  }

  override reset(operator: Operator): Effect.Effect<void> {
    return order(this, "reset", operator, super.reset(operator), (circuit) =>
      // There is nothing to reset, and so no record to write.
      this.queue.known.record.revision === 0 && circuit.reason === "initial" ? circuit : Circuit.reset(circuit))
  }

  override disable(operator: Operator): Effect.Effect<void> {
    return order(this, "disable", operator, super.disable(operator), Circuit.disable)
  }

  override enable(operator: Operator): Effect.Effect<void> {
    return order(this, "enable", operator, super.enable(operator), Circuit.enable)
  }

  /** What has to be done at a beat of the heart; undefined if nothing. */
  get tend(): Effect.Effect<void> | undefined {
    const { authority, claims, queue } = this
    const { beatMillis, settings: { maxStalenessMillis } } = authority
    if (this.degraded) {
      claims.prolong()
      return queue.unusable !== undefined && !queue.part.degraded ? this.following.reread : undefined
    }
    const now = authority.now()
    // Already now, because at the next beat the view would be too old.
    const isOld = now - queue.readAt >= maxStalenessMillis - beatMillis && now - this.seenAt < maxStalenessMillis
    return claims.renewals(now) ??
      (claims.slotLost || isOld ? Effect.andThen(this.following.reread, claims.freeLost) : undefined)
  }

  get flush(): Effect.Effect<void> {
    return this.reports.flush
  }

  adopt({ circuit, held, latencyTripped, words }: Entry, generation: number, announces: boolean): void {
    const { clock } = this.authority
    const now = circuitMillis(clock)
    const before = this.circuit
    // Each process has a ramp of its own, because it admits a share of its own calls.
    const rampCredit = generation === before.generation ? before.rampCredit : this.policy.rules.rampMillis
    this.replace(now, { ...circuit, generation, rampCredit: circuit.rampUntil === 0 ? 0 : rampCredit })
    this.hold = held ? words : undefined
    if (announces && this.kept) this.tellTransition(clock, now, before, words, latencyTripped)
  }

  change(change: Partial<Circuit.Circuit>): void {
    this.replace(this.seenAt, { ...this.circuit, ...change })
  }

  free(id: number): void {
    const probes = this.circuit.probes.filter((probe) => probe.id !== id)
    if (probes.length < this.circuit.probes.length) this.change({ probes })
  }

  observe(outcome: Outcome, durationMillis: number, now: number): void {
    const health = this.weighed()
    this.seenAt = now
    const spoke = outcome._tag === "Success" || outcome._tag === "Failure"
    if (spoke && health.remembers) health.record(this.seenAt, outcome._tag === "Failure", durationMillis)
  }

  get remembers(): boolean {
    return this.weighed().remembers
  }

  get slowerThanMillis(): number {
    return this.weighed().slowerThanMillis
  }

  announceCall(call: Ended, settled: Settled): void {
    const { authority: { clock }, following, slowerThanMillis } = this
    if (settled.late) return this.late(clock, call.outcome)
    if (!this.hub.listening) return
    const here = { ...settled, before: following.here(settled.before), after: following.here(settled.after) }
    this.hub.announce(...eventsOf(this.scene(clock, circuitMillis(clock)), this.policy, slowerThanMillis, call, here))
  }

  send(operation: string, change: Change, carriedOut?: (known: Known) => void): Effect.Effect<void, StoreFault> {
    return this.asked(operation, this.queue.change(change, carriedOut))
  }

  asked(operation: string, self: Effect.Effect<void, StoreFault>): Effect.Effect<void, StoreFault> {
    return Effect.tapError(this.authority.within(operation, self), (fault) =>
      Effect.sync(() => {
        if (fault.ofRecord !== true) this.authority.degrade(this.queue.part, operation, fault, this.id)
      }))
  }

  protected override replace(now: number, after: Circuit.Circuit): void {
    super.replace(now, after)
    if (this.pass !== undefined && !this.isUpToDate) this.pass = undefined
  }

  private announceProblem(problem: Problem): void {
    const { clock, hub } = this.authority
    if (!this.kept || !hub.listening) return
    hub.announce({ event: "store.corrupt", key: this.key, at: wallMillis(clock), problem })
  }
}
