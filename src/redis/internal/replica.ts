/** A local circuit that follows a record, and decides by itself while that cannot be reached. */
import type { Clock } from "effect"
import * as Circuit from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import * as announce from "../../internal/circuit/announce.ts"
import * as describe from "../../internal/circuit/describe.ts"
import { LocalCircuit } from "../../internal/circuit/localCircuit.ts"
import { circuitMillis } from "../../internal/clock/time.ts"
import type { Outcome } from "../../Outcome.ts"
import { type Answer, type Read, toLocal } from "./record.ts"

export class Replica extends LocalCircuit {
  get current(): Circuit.Circuit {
    return this.circuit
  }

  /** Takes over a record, and announces the transition if it is one that this process should announce. */
  adopt(clock: Clock.Clock, { circuit, held, latencyTripped, words }: Read, announces: boolean): void {
    const now = circuitMillis(clock)
    const before = this.circuit
    // Each process has a ramp of its own, because it admits a share of its own calls.
    const same = circuit.generation === before.generation
    this.replace(now, { ...circuit, rampCredit: same ? before.rampCredit : circuit.rampCredit })
    this.hold = held ? words : undefined
    if (announces) this.tellTransition(clock, now, before, words, latencyTripped)
  }

  /** Keeps the slot of a running probe. */
  prolong(id: number, leaseUntil: number): void {
    const probes = this.circuit.probes.map((probe) => probe.id === id ? { id, leaseUntil } : probe)
    this.replace(this.seenAt, { ...this.circuit, probes })
  }

  /** Ends the streak of failures in this process, before the report reaches Redis. */
  endStreak(): void {
    const now = this.seenAt
    this.replace(now, { ...this.circuit, failures: 0, lastFailureKind: "", hintUntil: 0 })
  }

  /** Records a call in the windows of this process, because they decide while Redis cannot. */
  observe(clock: Clock.Clock, outcome: Outcome, durationMillis: number): void {
    const health = this.weighed()
    this.seenAt = circuitMillis(clock)
    const spoke = outcome._tag === "Success" || outcome._tag === "Failure"
    if (spoke && health.remembers) health.record(this.seenAt, outcome._tag === "Failure", durationMillis)
  }

  get remembers(): boolean {
    return this.weighed().remembers
  }

  isSlow(durationMillis: number): boolean {
    return durationMillis > this.weighed().slowerThanMillis
  }

  /** Turns a call away because another one got the probe slot. */
  refuse(clock: Clock.Clock): Rejection {
    return this.reject(clock, circuitMillis(clock), {
      _tag: "Rejected",
      by: "half_open",
      retryAfterMillis: undefined,
      circuit: this.circuit
    })
  }

  /** Announces how a call ended, with the numbers of the record. `adopt` announces the transition that follows. */
  announceCall(
    clock: Clock.Clock,
    call: {
      readonly permit: Circuit.Permit
      readonly outcome: Outcome
      readonly durationMillis: number
      readonly interrupted: boolean
    },
    { circuit, failureRatePpm, failureThreshold, given, shift }: Answer
  ): void {
    if (!this.hub.listening) return
    const now = circuitMillis(clock)
    const { durationMillis, interrupted, outcome, permit } = call
    const [, gateUntil = 0, openings = 0, latencyTripped] = given
    const spoke = outcome._tag === "Success" || outcome._tag === "Failure"
    this.hub.announce(...announce.settled(this.scene(clock, now), {
      before: { ...this.circuit, generation: permit.generation, gateUntil: toLocal(gateUntil, shift), openings },
      after: circuit,
      probe: permit.probe > 0,
      outcome,
      interrupted,
      slowMillis: spoke && this.isSlow(durationMillis) ? durationMillis : undefined,
      slowerThanMillis: this.weighed().slowerThanMillis,
      failureThreshold,
      failureRatePpm,
      failureRateThresholdPpm: this.policy.failureRateThresholdPpm,
      latencyTripped: latencyTripped === 1
    }))
  }

  /** The present state, with the failure rate and threshold of the record. */
  viewWith(clock: Clock.Clock, { failureRatePpm, failureThreshold }: Answer): CircuitState {
    const scene = this.scene(clock, circuitMillis(clock))
    return describe.state(this.circuit, scene, { failureThreshold, failureRatePpm })
  }

  /** How long the first opening lasts, and how long the next one would. */
  openSteps(now: number): { readonly first: number; readonly next: number } {
    const first = this.policy.openMillis(1)
    const opening = Circuit.nextOpening(this.circuit, now)
    return { first, next: opening === 1 ? first : this.policy.openMillis(opening) }
  }
}
