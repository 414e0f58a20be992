/** The table with a user's changes, which are checked to the last condition: one that is misread would never hold. */
import { kinds } from "../../Outcome.ts"
import { checkOptions } from "../options/known.ts"
import { boolean, formOf, invalid, oneOf } from "../options/validation.ts"
import type { ByHint, Match, Row, Verdict } from "./row.ts"

/** A row, or the id of one of the table with what is to be otherwise in it. */
export type Change = Partial<Row> & { readonly id: string }

/** Rows that are not in the table come first, in the order in which they are given. */
export const changedRows = (table: ReadonlyArray<Row>, changes: ReadonlyArray<Change>): ReadonlyArray<Row> => {
  if (!Array.isArray(changes)) return invalid("rows", changes, "a list")
  changes.forEach((row: Change, index) => check(row, `rows[${index}]`))
  const byId = new Map(changes.map((change: Change) => [change.id, change]))
  if (byId.size < changes.length) invalid("rows", changes, "a list in which no id appears twice")
  const known = new Set(table.map(({ id }) => id))
  const added = changes.filter(({ id }: Change) => !known.has(id))
  return [...added.map(complete), ...table.map((row) => Object.assign({}, row, byId.get(row.id)))]
}

const complete = ({ elsewhere, id, kind, match, outcome }: Change): Row =>
  match === undefined || kind === undefined || outcome === undefined
    ? invalid("rows", id, "a complete row, or the id of a row of the table")
    : { id, match, kind, outcome, elsewhere }

const check = (row: Change, at: string): void => {
  checkOptions<Change>(row, { id: true, match: true, kind: true, outcome: true, elsewhere: true }, at)
  const { elsewhere, id, kind, match, outcome } = row
  if (typeof id !== "string" || id === "") invalid(`${at}.id`, id, "a string that is not empty")
  if (match !== undefined) checkMatch(match, `${at}.match`)
  if (kind !== undefined) oneOf(`${at}.kind`, kind, kinds)
  if (outcome !== undefined) checkOutcome(outcome, `${at}.outcome`)
  if (elsewhere !== undefined) boolean(`${at}.elsewhere`, elsewhere)
}

const checkMatch = (match: Match, at: string): void => {
  checkOptions<Match>(match, { origin: true, status: true, code: true, message: true }, at)
  for (const [name, { holds, rule }] of Object.entries(conditions)) {
    const wanted: unknown = match[name as keyof Match]
    if (wanted === undefined) continue
    if (!Array.isArray(wanted)) invalid(`${at}.${name}`, formOf(wanted), `a list of which each is ${rule}`)
    for (const [index, one] of (wanted as ReadonlyArray<unknown>).entries()) {
      if (!holds(one)) invalid(`${at}.${name}[${index}]`, formOf(one), rule)
    }
  }
}

const isStatus = (value: unknown): boolean => Number.isSafeInteger(value)
const isPattern = (value: unknown): boolean => value instanceof RegExp

interface Condition {
  readonly holds: (one: unknown) => boolean
  readonly rule: string
}

const conditions: Readonly<Record<keyof Match, Condition>> = {
  origin: {
    holds: (one) => one === "error" || one === "defect" || one === "interruption" || one === "value",
    rule: "error, defect, interruption or value"
  },
  status: {
    holds: (one) => isStatus(one) || one === "none" || (Array.isArray(one) && one.length === 2 && one.every(isStatus)),
    rule: "a status, a pair of the first and the last one, or none"
  },
  code: { holds: (one) => typeof one === "string" || isPattern(one), rule: "a text or a pattern" },
  message: { holds: isPattern, rule: "a pattern, such as /busy/i" }
}

const verdicts = ["Success", "Failure", "Ignored", "OpenNow"] as const

const checkOutcome = (outcome: Verdict | ByHint, at: string): void => {
  if (typeof outcome !== "object") return void oneOf(at, outcome, verdicts)
  checkOptions<ByHint>(outcome, { short: true, long: true, none: true }, at)
  oneOf(`${at}.short`, outcome.short, [...verdicts, "Throttled"])
  oneOf(`${at}.long`, outcome.long, [...verdicts, "Throttled"])
  oneOf(`${at}.none`, outcome.none, verdicts)
}
