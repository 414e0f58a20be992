/** A local circuit that follows a record, and decides by itself while that cannot be reached. */
import type { Clock } from "effect"
import type * as Circuit from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { Outcome } from "../../Outcome.ts"
import * as announce from "../circuit/announce.ts"
import * as describe from "../circuit/describe.ts"
import { LocalCircuit } from "../circuit/localCircuit.ts"
import { circuitMillis } from "../clock/time.ts"
import type { Judgement } from "../machine/judge.ts"
import type { Entry } from "./entry.ts"

/** A call that has ended. */
export interface Ended {
  readonly permit: Circuit.Permit
  readonly outcome: Outcome
  readonly durationMillis: number
  readonly interrupted: boolean
}

export class Replica extends LocalCircuit {
  get current(): Circuit.Circuit {
    return this.circuit
  }

  /** Takes over what a record says, and announces the transition if it is one that this process should announce. */
  adopt(clock: Clock.Clock, { circuit, held, latencyTripped, words }: Entry, generation: number, announces: boolean): void {
    const now = circuitMillis(clock)
    const before = this.circuit
    // Each process has a ramp of its own, because it admits a share of its own calls.
    const rampCredit = generation === before.generation ? before.rampCredit : this.policy.rules.rampMillis
    this.replace(now, { ...circuit, generation, rampCredit: circuit.rampUntil === 0 ? 0 : rampCredit })
    this.hold = held ? words : undefined
    if (announces) this.tellTransition(clock, now, before, words, latencyTripped)
  }

  /** Frees the slot of a probe that has ended, before the store knows. */
  free(id: number): void {
    const probes = this.circuit.probes.filter((probe) => probe.id !== id)
    if (probes.length < this.circuit.probes.length) this.replace(this.seenAt, { ...this.circuit, probes })
  }

  /** Keeps the slot of a running probe. */
  prolong(id: number, leaseUntil: number): void {
    const probes = this.circuit.probes.map((probe) => probe.id === id ? { id, leaseUntil } : probe)
    this.replace(this.seenAt, { ...this.circuit, probes })
  }

  /** Ends the streak of failures in this process, before the store knows. */
  endStreak(): void {
    this.replace(this.seenAt, { ...this.circuit, failures: 0, lastFailureKind: "", hintUntil: 0 })
  }

  /** Records a call in the windows of this process, because they decide while the store cannot. */
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

  /** Announces how a call ended. `adopt` announces the transition that follows. */
  announceCall(
    clock: Clock.Clock,
    { durationMillis, interrupted, outcome, permit }: Ended,
    before: Circuit.Circuit,
    after: Circuit.Circuit,
    judgement: Judgement,
    latencyTripped: boolean
  ): void {
    if (!this.hub.listening) return
    const spoke = outcome._tag === "Success" || outcome._tag === "Failure"
    this.hub.announce(...announce.settled(this.scene(clock, circuitMillis(clock)), {
      before,
      after,
      probe: permit.probe > 0,
      outcome,
      interrupted,
      slowMillis: spoke && this.isSlow(durationMillis) ? durationMillis : undefined,
      slowerThanMillis: this.weighed().slowerThanMillis,
      failureThreshold: judgement.failureThreshold,
      failureRatePpm: judgement.failureRatePpm,
      failureRateThresholdPpm: this.policy.failureRateThresholdPpm,
      latencyTripped
    }))
  }

  /** The present state, with the failure rate and threshold of the fleet. */
  viewWith(clock: Clock.Clock, judgement: Judgement): CircuitState {
    return describe.state(this.circuit, this.scene(clock, circuitMillis(clock)), judgement)
  }
}
