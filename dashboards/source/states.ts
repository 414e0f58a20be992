/** The states of circuits as `cb_current_state` numbers them. */
import { stateValues } from "../../src/MetricDefinition.ts"
import type { Words } from "./panels.ts"

export const states: Words = {
  [stateValues.closed]: ["closed", "green"],
  [stateValues.half_open]: ["half-open", "yellow"],
  [stateValues.open]: ["open", "red"],
  [stateValues.forced_open]: ["forced open", "purple"],
  [stateValues.disabled]: ["disabled", "blue"]
}
