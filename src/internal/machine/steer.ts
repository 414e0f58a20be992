/** What an operator does to a circuit. */
import type { Circuit } from "../../Circuit.ts"
import { opened, renewed } from "./moves.ts"
import { nextOpening } from "./queries.ts"

export const force = (self: Circuit, now: number, until: number): Circuit => {
  const openUntil = Math.max(self.openUntil, until)
  if (self.state === "forced_open") return { ...self, openUntil }
  // The openings of a time long past, or of those that did not happen, are not this one's.
  const openings = self.state === "disabled" ? 0 : nextOpening(self, now) - 1
  return { ...opened(self, now, "forced_open", "forced"), openUntil, openings }
}

export const reset = (self: Circuit): Circuit => renewed(self, "closed", "reset")

export const disable = (self: Circuit): Circuit =>
  self.state === "disabled" ? self : renewed(self, "disabled", "disabled")

export const enable = (self: Circuit): Circuit => self.state === "disabled" ? renewed(self, "closed", "enabled") : self
