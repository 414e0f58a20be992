/** How a circuit begins, and what every move to another state has in common. */
import type { Circuit } from "../../Circuit.ts"
import type { edges } from "./words.ts"

export const initial = (generation: number): Circuit => ({
  state: "closed",
  reason: "initial",
  generation,
  failures: 0,
  lastFailureKind: "",
  openedAt: 0,
  openMillis: 0,
  openUntil: 0,
  openings: 0,
  closedAt: 0,
  outage: 0,
  outageAt: 0,
  probes: [],
  issued: 0,
  successes: 0,
  rampUntil: 0,
  rampCredit: 0,
  gateUntil: 0,
  hintUntil: 0
})

type Edges = typeof edges

/** What the circuit becomes for a reason, in a generation of its own. */
export const moved = <R extends keyof Edges>(self: Circuit, state: Edges[R]["to"], reason: R): Circuit => ({
  ...self,
  state,
  reason,
  generation: self.generation + 1
})

/** The same without a past. */
export const renewed = <R extends keyof Edges>(
  { generation }: Circuit,
  state: Edges[R]["to"],
  reason: R
): Circuit => moved(initial(generation), state, reason)

/** The same where calls are rejected from then on. */
export const opened = <R extends keyof Edges>(
  self: Circuit,
  now: number,
  state: Edges[R]["to"],
  reason: R
): Circuit => {
  const next = moved(self, state, reason)
  return {
    ...next,
    openedAt: now,
    outage: self.outage === 0 ? next.generation : self.outage,
    outageAt: self.outage === 0 ? now : self.outageAt,
    probes: [],
    issued: 0,
    successes: 0,
    rampUntil: 0,
    rampCredit: 0,
    hintUntil: 0
  }
}
