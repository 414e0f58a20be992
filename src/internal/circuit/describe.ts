/** A circuit in the words of the public API. */
import { Duration } from "effect"
import { type Admission, type Circuit, never, rejectsFor } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { Operator } from "../../CircuitStore.ts"
import type { Kind } from "../../Outcome.ts"

/** What a circuit is seen in: its key, its time, the wall clock, and what this process knows beside the machine. */
export interface Scene {
  readonly key: string
  readonly now: number
  readonly wallMillis: number
  readonly skips: number
  readonly hold: Operator | undefined
}

// Written once: every rejection of an outage carries it.
let last = { outage: 0, id: "0" }

export const outageId = ({ outage }: Circuit): string => {
  if (last.outage !== outage) last = { outage, id: outage.toString(36) }
  return last.id
}

export const failureKind = (circuit: Circuit): Kind | undefined =>
  (circuit.lastFailureKind || undefined) as Kind | undefined

export const rejection = (
  circuit: Circuit,
  scene: Scene,
  { by, retryAfterMillis }: Admission & { readonly _tag: "Rejected" }
): Rejection => {
  const { key } = scene
  const retryAfter = retryAfterMillis === undefined ? undefined : Duration.millis(retryAfterMillis)
  switch (by) {
    case "open":
      return {
        _tag: "CircuitOpen",
        key,
        retryAfter: retryAfter ?? Duration.zero,
        openedAt: onTheWall(scene, circuit.openedAt),
        lastFailureKind: failureKind(circuit),
        outageId: outageId(circuit)
      }
    case "half_open":
      return { _tag: "CircuitHalfOpen", key, retryAfter }
    case "throttled":
      return { _tag: "CircuitThrottled", key, retryAfter: retryAfter ?? Duration.zero }
    case "forced_open":
      return {
        _tag: "CircuitForcedOpen",
        key,
        note: scene.hold?.reason,
        until: retryAfterMillis === undefined ? undefined : scene.wallMillis + retryAfterMillis,
        retryAfter
      }
  }
}

export const state = (
  circuit: Circuit,
  scene: Scene,
  health: { readonly failureThreshold: number; readonly failureRatePpm: number | undefined }
): CircuitState => {
  const { now } = scene
  const { generation, reason } = circuit
  const common = { key: scene.key, generation, reason }
  const left = (until: number) => until > now ? Duration.millis(until - now) : undefined
  const outage = {
    outageId: outageId(circuit),
    openedAt: onTheWall(scene, circuit.openedAt),
    openFor: Duration.millis(Math.max(0, now - circuit.outageAt)),
    openings: circuit.openings,
    lastFailureKind: failureKind(circuit),
    skips: scene.skips
  }
  switch (circuit.state) {
    case "closed":
      return {
        _tag: "Closed",
        ...common,
        consecutiveFailures: circuit.failures,
        failureThreshold: health.failureThreshold || undefined,
        failureRate: share(health.failureRatePpm),
        lastFailureKind: failureKind(circuit),
        throttledFor: left(circuit.gateUntil),
        ramping: circuit.rampUntil > now
      }
    case "open":
      return { _tag: "Open", ...common, ...outage, retryAfter: Duration.millis(rejectsFor(circuit, now)) }
    case "half_open":
      return {
        _tag: "HalfOpen",
        ...common,
        ...outage,
        probing: circuit.probes.filter(({ leaseUntil }) => now < leaseUntil).length,
        successes: circuit.successes,
        throttledFor: left(circuit.gateUntil)
      }
    case "forced_open":
      return {
        _tag: "ForcedOpen",
        ...common,
        ...outage,
        retryAfter: circuit.openUntil === never ? undefined : Duration.millis(rejectsFor(circuit, now)),
        note: scene.hold?.reason,
        actor: scene.hold?.actor
      }
    case "disabled":
      return { _tag: "Disabled", ...common, wouldHaveOpened: circuit.openings }
  }
}

/** Parts per million as a share. */
export const share = (ppm: number | undefined) => ppm === undefined ? undefined : ppm / 1_000_000

const onTheWall = ({ now, wallMillis }: Scene, at: number) => wallMillis - (now - at)
