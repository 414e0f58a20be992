/** When a circuit may be forgotten. */
import type { Circuit } from "../../Circuit.ts"

/** Whether nothing would be lost with this circuit but a streak: it is closed, and so is no gate. */
export const isSpare = ({ gateUntil, state }: Circuit, now: number): boolean => state === "closed" && now >= gateUntil

/** Whether a circuit, last used at `seenAt`, is idle for so long that it may go, unless an operator wants it kept. */
export const isIdle = (self: Circuit, seenAt: number, now: number, idleMillis: number): boolean => {
  if (now - seenAt < idleMillis) return false
  const { gateUntil, openUntil, probes, state } = self
  switch (state) {
    case "closed":
      return isSpare(self, now)
    case "disabled":
      return false
    case "open":
    case "forced_open":
    case "half_open":
      return now - Math.max(openUntil, gateUntil) >= idleMillis && probes.every(({ leaseUntil }) => now >= leaseUntil)
  }
}
