/** Leaves steps out of a plan as long as it breaks the same promise. */
import type { Plan } from "./plan.ts"
import { simulate, type Violation } from "./simulation.ts"

export interface Shrunk {
  readonly plan: Plan
  readonly violation: Violation
}

export const shrink = (plan: Plan, violation: Violation): Shrunk => {
  let best: Shrunk = { plan, violation }
  for (let size = Math.ceil(plan.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = best.plan.steps.length - size; at > -size; at -= size) {
      const steps = best.plan.steps.filter((_, index) => index < at || index >= at + size)
      const next = { ...best.plan, steps }
      const found = simulate(next).violation
      if (found?.promise === violation.promise) best = { plan: next, violation: found }
    }
  }
  return best
}
