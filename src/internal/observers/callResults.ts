/** How calls end, as they are counted. */
import { type RejectedBy, rejectedBy } from "../../Circuit.ts"
import type { Outcome } from "../../Outcome.ts"

/** Those that ran. */
export const ran = ["success", "failure", "ignored", "interrupted"] as const

/**
 * How one call through a circuit ended.
 *
 * @category models
 * @since 0.1.0
 */
export type CallResult = typeof ran[number] | `rejected_${RejectedBy}`

/**
 * The ways in which a call through a circuit ends: those that ran, and those that were turned away.
 *
 * @category models
 * @since 0.1.0
 */
export const callResults: ReadonlyArray<CallResult> = /* @__PURE__ */ ([] as Array<CallResult>).concat(
  ran,
  /* @__PURE__ */ rejectedBy.map((by) => `rejected_${by}` as const)
)

/** What an outcome counts as: a gate says nothing about health, and a provider that cannot serve has failed. */
export const resultOf = {
  Success: "success",
  Failure: "failure",
  Ignored: "ignored",
  Throttled: "ignored",
  OpenNow: "failure"
} as const satisfies Record<Outcome["_tag"], typeof ran[number]>
