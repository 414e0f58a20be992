/** One circuit in the memory of this process: the machine, the health it judges by, and what it tells of both. */
import type { Clock, Effect } from "effect"
import * as Circuit from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { CircuitHandle, Operator } from "../../CircuitStore.ts"
import { type Outcome, success } from "../../Outcome.ts"
import { circuitMillis, wallMillis, wholeMillis, withClock } from "../clock/time.ts"
import { none as noEvidence } from "../machine/evidence.ts"
import type { Health } from "../machine/health.ts"
import { isIdle, isSpare } from "../machine/idle.ts"
import { downMillis } from "../machine/queries.ts"
import type { Hub } from "../observers/hub.ts"
import type { Listeners } from "../observers/listeners.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import * as announce from "./announce.ts"
import * as describe from "./describe.ts"

export class LocalCircuit implements CircuitHandle {
  readonly key: string
  readonly policy: CompiledPolicy
  protected readonly hub: Hub
  protected circuit: Circuit.Circuit
  private health: Health | undefined
  /** The permit every call gets at present; undefined if there is something to decide. */
  pass: Circuit.Permit | undefined
  seenAt = 0
  private skips = 0
  /** The operator's hold, remembered until the circuit is closed. */
  hold: Operator | undefined
  private found: Listeners | undefined
  /** The version of the hub at which the listeners were found. */
  private foundAt = -1
  private mismatched = false
  evidence = noEvidence
  servedAt = -Infinity

  constructor(key: string, policy: CompiledPolicy, hub: Hub, circuit: Circuit.Circuit, pass: Circuit.Permit) {
    this.key = key
    this.policy = policy
    this.hub = hub
    this.circuit = circuit
    this.pass = pass
  }

  get timed(): boolean {
    return this.policy.timed
  }

  get listeners(): Listeners | undefined {
    if (this.foundAt !== this.hub.version) {
      this.foundAt = this.hub.version
      this.found = this.hub.listenersOf(this.key, this.circuit.state)
    }
    return this.found
  }

  /** Says that this process no longer keeps the circuit. */
  forgotten(): void {
    this.listeners?.onForgotten()
  }

  admit(clock: Clock.Clock, now: number): Circuit.Permit | Rejection | "claim" {
    const admission = Circuit.admit(this.circuit, this.policy.rules, now)
    if (admission._tag === "Rejected") return this.reject(clock, now, admission)
    if (admission.permit.probe > 0) return "claim"
    this.replace(now, admission.circuit)
    return this.pass ?? admission.permit
  }

  get claim(): Effect.Effect<Circuit.Permit | Rejection> {
    return withClock((clock) => this.decideBy(clock, Circuit.admit))
  }

  probedEarly(clock: Clock.Clock): void {
    if (this.circuit.state !== "open") return
    const taken = this.decideBy(clock, Circuit.admitEarly)
    if (!("_tag" in taken)) this.settle(clock, taken, success, 0, false)
  }

  private decideBy(clock: Clock.Clock, admit: typeof Circuit.admit): Circuit.Permit | Rejection {
    const now = circuitMillis(clock)
    const before = this.circuit
    const admission = admit(before, this.policy.rules, now)
    if (admission._tag === "Rejected") return this.reject(clock, now, admission)
    this.replace(now, admission.circuit)
    this.tellTransition(clock, now, before, {})
    return this.pass ?? admission.permit
  }

  settle(
    clock: Clock.Clock,
    permit: Circuit.Permit,
    outcome: Outcome,
    durationMillis: number,
    interrupted: boolean
  ): Effect.Effect<void> | undefined {
    if (this.changesNothing(permit, outcome)) return undefined
    const before = this.circuit
    const health = this.weighed()
    const now = this.seenAt = circuitMillis(clock)
    if (!Circuit.isCurrent(before, permit)) return this.late(clock, outcome)
    const probe = permit.probe > 0
    const failed = outcome._tag === "Failure"
    const succeeded = outcome._tag === "Success"
    const slow = (failed || succeeded) && durationMillis > health.slowerThanMillis
    const unhealthy = !probe && (failed || succeeded) && health.remembers && health.record(now, failed, durationMillis)
    // Most calls end here where a window counts them.
    if (succeeded && !slow && !unhealthy && permit === this.pass && before.failures === 0) return undefined
    const latencyTripped = probe ? slow && succeeded : unhealthy && health.slowness()
    const failureThreshold = health.failureThreshold()
    const failureRatePpm = this.hub.listening ? health.failureRatePpm(now) : undefined
    const opening = failed || outcome._tag === "OpenNow" || unhealthy || slow
    const after = this.decide(
      now,
      Circuit.settle(before, this.policy.rules, now, permit, {
        outcome: outcome._tag,
        kind: succeeded ? (latencyTripped ? "slow" : "") : outcome.kind,
        hintMillis: "retryAfter" in outcome ? wholeMillis(outcome.retryAfter) : 0,
        slow,
        unhealthy,
        failureThreshold,
        openMillis: opening ? this.openMillis(health, Circuit.nextOpening(before, now)) : 0
      })
    )
    if (!this.hub.listening) return undefined
    const scene = this.scene(clock, now)
    const events = announce.settled(scene, {
      before,
      after,
      probe,
      outcome,
      interrupted,
      slowMillis: slow ? durationMillis : undefined,
      slowerThanMillis: health.slowerThanMillis,
      failureThreshold,
      failureRatePpm,
      failureRateThresholdPpm: this.policy.failureRateThresholdPpm,
      latencyTripped
    })
    if (after.generation === before.generation) return void this.hub.announce(...events)
    return void this.hub.announce(...events, announce.transition(before, after, scene, latencyTripped, {}))
  }

  /** Whether this outcome leaves everything as it is: the one of most calls. */
  changesNothing(permit: Circuit.Permit, outcome: Outcome): boolean {
    return outcome._tag === "Success" && permit === this.pass && this.circuit.failures === 0 &&
      !this.weighed().remembers
  }

  /** Announces an outcome that comes too late to change anything. */
  late(clock: Clock.Clock, outcome: Outcome): undefined {
    const scene = this.scene(clock, circuitMillis(clock))
    if (this.hub.listening) this.hub.announce(announce.lateOutcome(this.circuit, scene, outcome))
  }

  rejectsFor(now: number): number {
    return Circuit.rejectsFor(this.circuit, now)
  }

  forceOpen(millis: number | undefined, operator: Operator): Effect.Effect<void> {
    return this.steer(
      operator,
      (now) => Circuit.force(this.circuit, now, millis === undefined ? Circuit.never : now + millis)
    )
  }

  reset(operator: Operator): Effect.Effect<void> {
    return this.steer(operator, () => Circuit.reset(this.circuit))
  }

  disable(operator: Operator): Effect.Effect<void> {
    return this.steer(operator, () => Circuit.disable(this.circuit))
  }

  enable(operator: Operator): Effect.Effect<void> {
    return this.steer(operator, () => Circuit.enable(this.circuit))
  }

  get state(): Effect.Effect<CircuitState> {
    return withClock((clock) => this.view(clock))
  }

  view(clock: Clock.Clock): CircuitState {
    const now = circuitMillis(clock)
    const health = this.weighed()
    return describe.state(this.circuit, this.scene(clock, now), {
      failureThreshold: health.failureThreshold(),
      failureRatePpm: health.failureRatePpm(now)
    })
  }

  /** Notes that another breaker uses this circuit; says so, once, if it follows another policy. */
  share(policy: CompiledPolicy, clock: Clock.Clock): void {
    if (policy.fingerprint !== this.policy.fingerprint) this.disagree(clock)
  }

  /** Says, once, that another breaker or process uses this circuit with another policy. */
  disagree(clock: Clock.Clock): void {
    if (this.mismatched) return
    this.mismatched = true
    if (!this.hub.listening) return
    this.hub.announce({ event: "store.policy_mismatch", key: this.key, at: wallMillis(clock) })
  }

  get stateName(): Circuit.State {
    return this.circuit.state
  }

  get generation(): number {
    return this.circuit.generation
  }

  isSpare(now: number): boolean {
    return isSpare(this.circuit, now)
  }

  isIdle(now: number, idleMillis: number): boolean {
    return isIdle(this.circuit, this.seenAt, now, idleMillis)
  }

  turnAway(clock: Clock.Clock, now: number, retryAfterMillis: number): Rejection {
    const by = this.circuit.state === "half_open" ? "half_open" : "open"
    return this.reject(clock, now, { _tag: "Rejected", by, retryAfterMillis, circuit: this.circuit })
  }

  protected reject(
    clock: Clock.Clock,
    now: number,
    admission: Circuit.Admission & { readonly _tag: "Rejected" }
  ): Rejection {
    this.replace(now, admission.circuit)
    if (this.circuit.state !== "closed") this.skips++
    const scene = this.scene(clock, now)
    const rejection = describe.rejection(this.circuit, scene, admission)
    if (this.hub.listening) this.hub.announce(announce.skipped(this.circuit, scene, admission))
    return rejection
  }

  private steer(operator: Operator, next: (now: number) => Circuit.Circuit): Effect.Effect<void> {
    return withClock((clock) => {
      const now = circuitMillis(clock)
      const before = this.circuit
      const after = this.decide(now, next(now))
      if (after.state === "forced_open" && after !== before) this.hold = operator
      this.tellTransition(clock, now, before, operator)
    })
  }

  protected tellTransition(
    clock: Clock.Clock,
    now: number,
    before: Circuit.Circuit,
    operator: Operator,
    latencyTripped = false
  ): void {
    if (this.circuit.state === before.state || !this.hub.listening) return
    this.hub.announce(announce.transition(before, this.circuit, this.scene(clock, now), latencyTripped, operator))
  }

  protected weighed(): Health {
    return this.health ??= this.policy.makeHealth()
  }

  // Draws a number for an outage that begins here, because other circuits and processes may count from one generation.
  protected decide(now: number, after: Circuit.Circuit): Circuit.Circuit {
    const begins = this.circuit.outage === 0 && after.outage !== 0
    this.replace(now, begins ? { ...after, outage: Math.floor(Math.random() * 2 ** 52) + 1 } : after)
    return this.circuit
  }

  protected replace(now: number, after: Circuit.Circuit): void {
    const before = this.circuit
    if (after === before) return
    this.circuit = after
    if (Circuit.admitsAll(after)) {
      if (this.pass?.generation !== after.generation) this.pass = { generation: after.generation, probe: 0 }
    } else this.pass = undefined
    if (after.state === "disabled" && after.openings > before.openings) this.health?.clear(false)
    if (after.generation === before.generation) return
    if (after.reason === "probe_succeeded" && this.hold === undefined) this.health?.recovered(downMillis(before, now))
    this.health?.clear(after.reason === "reset")
    if (after.state === "open" || after.state === "forced_open" || after.state === "closed") this.skips = 0
    if (after.state === "closed" || after.state === "disabled") this.hold = undefined
  }

  private openMillis(health: Health, opening: number): number {
    const first = this.policy.openMillis(1)
    return health.openMillis(opening === 1 ? first : this.policy.openMillis(opening), first)
  }

  protected scene(clock: Clock.Clock, now: number): describe.Scene {
    return { key: this.key, now, wallMillis: wallMillis(clock), skips: this.skips, hold: this.hold }
  }
}
