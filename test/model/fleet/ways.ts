/** Where walks begin: what two processes are in the middle of. */
import { Outcome } from "effect-resilience"
import type { Step } from "./Fleet.ts"

const [A, B] = [0, 1]

/** Both have looked, and both have a call under way. */
const closed: ReadonlyArray<Step> = [
  { _tag: "Call", process: A },
  { _tag: "Receive", process: A },
  { _tag: "Call", process: B },
  { _tag: "Receive", process: B }
]

/** A's call has failed and opened the circuit, and B knows; its own call is late. */
const open: ReadonlyArray<Step> = [
  ...closed,
  { _tag: "End", process: A, call: 0, outcome: Outcome.failure("timeout") },
  { _tag: "Receive", process: A },
  { _tag: "Hear", process: B, message: 0 }
]

/** A's next call is the probe, and B knows. */
const halfOpen: ReadonlyArray<Step> = [
  ...open,
  { _tag: "Interrupt", process: B, call: 0 },
  { _tag: "Wait", millis: 1 },
  { _tag: "Call", process: A },
  { _tag: "Receive", process: A },
  { _tag: "Hear", process: B, message: 0 }
]

/** An operator has opened the circuit at B for good, and A has not heard of it. */
const held: ReadonlyArray<Step> = [
  ...closed,
  { _tag: "Force", process: B, millis: undefined },
  { _tag: "Receive", process: B }
]

/** A's call has opened the circuit and an operator has closed it again, and B has heard of neither. */
const reset: ReadonlyArray<Step> = [
  ...closed,
  { _tag: "End", process: A, call: 0, outcome: Outcome.failure("timeout") },
  { _tag: "Receive", process: A },
  { _tag: "Reset", process: A },
  { _tag: "Receive", process: A }
]

export const ways = { unused: [], closed, open, halfOpen, held, reset } as const
