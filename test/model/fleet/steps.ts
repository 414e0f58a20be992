/** What can happen to a fleet as it stands. */
import type { Outcome } from "effect-resilience"
import type { Fleet, Setting, Step } from "./Fleet.ts"

/** What may happen, and how often in one run. */
export interface Limits {
  /** Calls under way at once in one process. */
  readonly calls: number
  readonly outcomes: ReadonlyArray<Outcome.Outcome>
  readonly holds: ReadonlyArray<number | undefined>
  readonly orders: number
  readonly deaths: number
  readonly lostRecords: number
  readonly lostMessages: number
  readonly repeatedMessages: number
  readonly waits: number
}

const limited: ReadonlyArray<readonly [limit: keyof Limits, ...tags: ReadonlyArray<Step["_tag"]>]> = [
  ["orders", "Force", "Reset", "Disable", "Enable"],
  ["deaths", "Die"],
  ["lostRecords", "LoseRecord"],
  ["lostMessages", "Lose"],
  ["repeatedMessages", "HearTwice"],
  ["waits", "Wait"]
]

/** How often each of what is limited may still happen. */
export const budget = (path: ReadonlyArray<Step>, limits: Limits): ReadonlyArray<number> =>
  limited.map(([limit, ...tags]) => Number(limits[limit]) - path.filter(({ _tag }) => tags.includes(_tag)).length)

export const stepsOf = (fleet: Fleet, path: ReadonlyArray<Step>, limits: Limits): ReadonlyArray<Step> => {
  const left = budget(path, limits)
  const may = new Set(limited.flatMap(([, ...tags], index) => left[index]! > 0 ? tags : []))
  const spent = new Set(limited.flatMap(([, ...tags]) => tags.filter((tag) => !may.has(tag))))
  const steps: Array<Step> = [{ _tag: "Wait", millis: 1 }]
  if (fleet.server.stored !== undefined) steps.push({ _tag: "LoseRecord" })
  for (const [process, { answers, calls, circuit, messages, requests }] of fleet.processes.entries()) {
    if (calls.length < limits.calls) steps.push({ _tag: "Call", process })
    for (const [call, { permit }] of calls.entries()) {
      steps.push({ _tag: "Interrupt", process, call })
      if (permit === undefined) continue
      for (const outcome of limits.outcomes) steps.push({ _tag: "End", process, call, outcome })
    }
    if (requests.length > 0) steps.push({ _tag: "Serve", process })
    if (answers.length > 0) steps.push({ _tag: "Receive", process })
    for (const message of messages.keys()) {
      steps.push({ _tag: "Hear", process, message }, { _tag: "Lose", process, message })
      steps.push({ _tag: "HearTwice", process, message })
    }
    if (circuit !== undefined) steps.push({ _tag: "Beat", process }, { _tag: "Die", process })
    for (const millis of limits.holds) steps.push({ _tag: "Force", process, millis })
    for (const _tag of ["Reset", "Disable", "Enable"] as const) steps.push({ _tag, process })
  }
  return steps.filter(({ _tag }) => !spent.has(_tag))
}

/** A step in words. */
export const show = ({ names }: Pick<Setting, "names">, step: Step): string => {
  if (!("process" in step)) return step._tag === "Wait" ? `Wait ${step.millis} ms` : step._tag
  const who = `${names[step.process]}: ${step._tag}`
  switch (step._tag) {
    case "End":
      return `${who} call ${step.call + 1} with ${step.outcome._tag}`
    case "Interrupt":
      return `${who} call ${step.call + 1}`
    case "Hear":
    case "HearTwice":
    case "Lose":
      return `${who} message ${step.message + 1}`
    case "Force":
      return `${who} ${step.millis === undefined ? "for good" : `for ${step.millis} ms`}`
    default:
      return who
  }
}
