/** What can be asked of a circuit. */
import type { Circuit, Permit } from "../../Circuit.ts"

export const never = Number.MAX_SAFE_INTEGER

export const admitsAll = (self: Circuit): boolean =>
  self.state === "disabled" || (self.state === "closed" && self.gateUntil === 0 && self.rampUntil === 0)

export const isCurrent = (self: Circuit, permit: Permit): boolean =>
  permit.generation === self.generation &&
  (permit.probe === 0 ? self.state !== "half_open" : self.probes.some((probe) => probe.id === permit.probe))

export const rejectsFor = (self: Circuit, now: number): number => {
  switch (self.state) {
    case "disabled":
      return 0
    case "open":
    case "forced_open":
      return self.openUntil === never ? never : Math.max(0, self.openUntil - now, self.gateUntil - now)
    case "half_open":
    case "closed":
      return Math.max(0, self.gateUntil - now)
  }
}

export const nextOpening = (self: Circuit, now: number): number =>
  self.state === "closed" && now - self.closedAt >= self.openMillis ? 1 : self.openings + 1

/**
 * How long the dependency of a circuit that closes was down: until the last failed probe at least, and of the opening
 * after it nobody knows, so half.
 */
export const downMillis = ({ openMillis, openedAt, outageAt }: Circuit, now: number): number =>
  Math.round(openedAt - outageAt + Math.min(Math.max(0, now - openedAt), openMillis) / 2)
