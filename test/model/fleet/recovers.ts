/** Whether a fleet comes back: whatever is under way arrives or is interrupted, and time goes by. */
import { Circuit } from "effect-resilience"
import type { Fleet } from "./Fleet.ts"

/** Longer than any deadline, and than a view may be old. */
const longMillis = 20
const rounds = 4

/** Says who does not admit a call in the end, undefined if everybody does. Only an operator's hold is let go of. */
export const stuck = (fleet: Fleet): string | undefined => {
  const arrive = () => {
    for (const [process, { answers, messages, requests }] of fleet.processes.entries()) {
      while (requests.length + answers.length + messages.length > 0) {
        if (requests.length > 0) fleet.take({ _tag: "Serve", process })
        if (answers.length > 0) fleet.take({ _tag: "Receive", process })
        if (messages.length > 0) fleet.take({ _tag: "Hear", process, message: 0 })
      }
    }
  }
  const interrupt = (process: number) => {
    while (fleet.processes[process]!.calls.length > 0) fleet.take({ _tag: "Interrupt", process, call: 0 })
    arrive()
  }
  const admits = (process: number): boolean => {
    for (let round = 0; round < rounds; round++) {
      fleet.take({ _tag: "Wait", millis: longMillis })
      fleet.take({ _tag: "Call", process })
      arrive()
      if (fleet.processes[process]!.calls.some(({ permit }) => permit !== undefined)) return true
      fleet.take({ _tag: fleet.record.openUntil === Circuit.never ? "Reset" : "Beat", process })
      arrive()
    }
    return false
  }
  for (const process of fleet.processes.keys()) interrupt(process)
  // Leases are for processes that died: whoever lives gives back at once.
  const owners = new Set(fleet.server.stored?.owners.values())
  const keeper = fleet.processes.find(({ authority }) => owners.has(authority.owner))
  if (keeper !== undefined) return `${keeper.name} keeps the slot of a call that was interrupted`
  for (const [process, { name }] of fleet.processes.entries()) {
    if (!admits(process)) return `${name} admits nothing any more`
    interrupt(process)
  }
  return undefined
}
