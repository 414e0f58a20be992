/** A circuit as a guard sees it, so that the permit which a call gets is seen too. */
import { Effect } from "effect"
import type { Circuit } from "effect-resilience"
import type { CircuitHandle, Operator } from "../../../src/CircuitStore.ts"
import type { RedisCircuit } from "../../../src/redis/internal/redisCircuit.ts"

export class WatchedCircuit implements CircuitHandle {
  permit: Circuit.Permit | undefined
  private readonly circuit: RedisCircuit

  constructor(circuit: RedisCircuit) {
    this.circuit = circuit
  }

  get key() {
    return this.circuit.key
  }

  get generation() {
    return this.circuit.generation
  }

  get stateName() {
    return this.circuit.stateName
  }

  get evidence() {
    return this.circuit.evidence
  }

  set evidence(evidence: CircuitHandle["evidence"]) {
    this.circuit.evidence = evidence
  }

  get servedAt() {
    return this.circuit.servedAt
  }

  set servedAt(millis: number) {
    this.circuit.servedAt = millis
  }

  turnAway(...args: Parameters<CircuitHandle["turnAway"]>) {
    return this.circuit.turnAway(...args)
  }

  get timed() {
    return this.circuit.timed
  }

  get listeners() {
    return this.circuit.listeners
  }

  get pass() {
    return this.permit = this.circuit.pass
  }

  admit() {
    const decision = this.circuit.admit()
    if (decision !== "claim" && !("_tag" in decision)) this.permit = decision
    return decision
  }

  get claim() {
    return Effect.tap(this.circuit.claim, (decision) =>
      Effect.sync(() => {
        if (!("_tag" in decision)) this.permit = decision
      }))
  }

  settle(...args: Parameters<CircuitHandle["settle"]>) {
    return this.circuit.settle(...args)
  }

  rejectsFor() {
    return this.circuit.rejectsFor()
  }

  get state() {
    return this.circuit.state
  }

  view() {
    return this.circuit.view()
  }

  forceOpen(millis: number | undefined, operator: Operator) {
    return this.circuit.forceOpen(millis, operator)
  }

  reset(operator: Operator) {
    return this.circuit.reset(operator)
  }

  disable(operator: Operator) {
    return this.circuit.disable(operator)
  }

  enable(operator: Operator) {
    return this.circuit.enable(operator)
  }
}
