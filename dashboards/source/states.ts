/** The states of circuits as `cb_current_state` numbers them. */
import type { Words } from "./panels.ts"

export const states: Words = {
  0: ["closed", "green"],
  1: ["half-open", "yellow"],
  2: ["open", "red"],
  3: ["forced open", "purple"],
  4: ["disabled", "blue"]
}
