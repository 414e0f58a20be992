/** The eight promises that no step may break, of any caller and whatever comes before. */
import { isDeepStrictEqual } from "node:util"
import { type Invariant, isHeld, isSame } from "./history.ts"
import { isLegal } from "./isLegal.ts"

export const atMostOneLiveProbeSet: Invariant = {
  title: "at most one live probe set per generation",
  problem: ({ after, before, now, rules }, _, { running }) => {
    if (after.probes.length > 0 && after.state !== "half_open") return `a circuit that is ${after.state} has probes`
    if (after.state === "half_open" && before.state !== "half_open" && after.generation === before.generation) {
      return "a second half-open window of the same generation"
    }
    const live = running.filter(({ leaseUntil, permit }) => permit.generation === after.generation && now < leaseUntil)
    return Math.max(live.length, after.probes.length) > rules.probes
      ? `${Math.max(live.length, after.probes.length)} live probes where ${rules.probes} may be`
      : undefined
  }
}

export const generationsIncrease: Invariant = {
  title: "generations strictly increase, also across expiry",
  problem: ({ after, before, by }, { latest }) => {
    // A store that holds nothing has no generation to tell.
    if (by === "forgetting" && after.generation === 0) return undefined
    if (after.generation === before.generation) {
      return by === "forgetting" ? "a circuit that was forgotten keeps its generation" : undefined
    }
    // What is brought in keeps its own, and whatever comes after that is new again.
    if (by === "merging" && after.generation > before.generation) return undefined
    return after.generation > latest ? undefined : `generation ${after.generation} comes after ${latest}`
  }
}

export const onlyLegalEdges: Invariant = {
  title: "only legal edges",
  problem: ({ after, before, by }) => {
    if (by !== "machine") return undefined
    const edge = `${before.state} → ${after.state} (${after.reason})`
    if (after.generation === before.generation) {
      return after.state === before.state && after.reason === before.reason
        ? undefined
        : `${edge} within a generation`
    }
    return isLegal(before.state, after.reason, after.state) ? undefined : edge
  }
}

export const oldGenerationsChangeNothing: Invariant = {
  title: "an old generation never changes state",
  problem: ({ after, before, ended, told }) => {
    if (ended === undefined || ended.generation === before.generation) return undefined
    if (!isDeepStrictEqual(after, before)) {
      return `a call of generation ${ended.generation} changed ${before.generation}`
    }
    return told.length > 0 ? "something was told of it" : undefined
  }
}

export const everyProbeEndsOnce: Invariant = {
  title: "every admitted probe ends exactly once",
  problem: ({ admitted, after, before, ended, now }, { last, running }, next) => {
    if (admitted !== undefined && admitted.probe > 0) {
      const isNew = admitted.generation > last.generation ||
        (admitted.generation === last.generation && admitted.probe > last.probe)
      if (!isNew) return "a permit was given twice"
      if (after.probes.every(({ id }) => id !== admitted.probe)) return "a probe was admitted without a slot"
    }
    if (ended !== undefined && ended.probe > 0) {
      const isKnown = running.some(({ permit }) => isSame(permit, ended))
      if (!isKnown && !isDeepStrictEqual(after, before)) return "a probe that has ended spoke again, and was heard"
      if (after.generation === ended.generation && after.probes.some(({ id }) => id === ended.probe)) {
        return "a probe ended and kept its slot"
      }
    }
    if (after.generation !== before.generation) return undefined
    const lost = before.probes.find(({ id, leaseUntil }) =>
      id !== ended?.probe && now < leaseUntil && after.probes.every((probe) => probe.id !== id)
    )
    if (lost !== undefined) return "a running probe lost its slot before its time"
    const kept = after.probes.find(({ id }) =>
      !next.running.some(({ permit }) => isSame(permit, { generation: after.generation, probe: id }))
    )
    return kept === undefined ? undefined : "a slot is held by nobody"
  }
}

export const openTimeIsNeverShortened: Invariant = {
  title: "open time is never shortened by late results",
  problem: ({ after, by, now }, { heldUntil }) => {
    if (heldUntil === 0 || by !== "machine") return undefined
    if (isHeld(after) && after.openUntil < heldUntil) return `held for ${heldUntil - after.openUntil} ms less`
    const early = after.state === "half_open" && now < heldUntil
    return early ? `half-open ${heldUntil - now} ms too early` : undefined
  }
}

export const eachTransitionIsToldOnce: Invariant = {
  title: "each transition is announced once",
  problem: ({ made, told }, { views }) => {
    const seen = { ...views }
    for (const { from, generation, process, to } of told) {
      const view = seen[process]!
      if (generation <= view.generation) return `${process} tells of ${generation} after ${view.generation}`
      if (from !== view.state) return `${process} tells of ${from} → ${to} after ${view.state}`
      seen[process] = { generation, state: to }
    }
    if (made === undefined) return undefined
    const times = told.filter(({ generation, process }) => generation === made.generation && process === made.process)
    return times.length === 1 ? undefined : `told ${times.length} times by its maker`
  }
}

export const neverStuck: Invariant = {
  title: "no schedule of interruptions leaves a circuit unable to admit for ever",
  problem: ({ recovers }) => recovers() ? undefined : "no call is admitted any more"
}

export const invariants: ReadonlyArray<Invariant> = [
  atMostOneLiveProbeSet,
  generationsIncrease,
  onlyLegalEdges,
  oldGenerationsChangeNothing,
  everyProbeEndsOnce,
  openTimeIsNeverShortened,
  eachTransitionIsToldOnce,
  neverStuck
]
