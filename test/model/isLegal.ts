/** Whether a reason may lead from one state to another, by the edges of the machine. */
import { Circuit } from "effect-resilience"

export const isLegal = (from: Circuit.State, reason: Circuit.Reason, to: Circuit.State): boolean => {
  const edge: { readonly from: ReadonlyArray<Circuit.State>; readonly to: Circuit.State } = Circuit.edges[reason]
  return edge.to === to && edge.from.includes(from)
}
