/** Fences around the targets to which calls may go. */
import type { Fence, Target } from "../../FailoverRoute.ts"
import { checkOptions } from "../options/known.ts"
import { invalid } from "../options/validation.ts"
import { isRecord, list } from "./fields.ts"

/** A fence that was checked for its form. */
export const fence = (field: string, given: Fence | undefined): Fence => {
  if (given === undefined) return {}
  if (!isRecord(given)) return invalid(field, given, "an object with regions or targets")
  checkOptions(given, fields, field)
  const names = (name: "regions" | "targets") =>
    given[name] === undefined ? undefined : new Set<string>(list(`${field}.${name}`, given[name]))
  const [regions, targets] = [names("regions"), names("targets")]
  return { regions: regions && [...regions], targets: targets && [...targets] }
}

/** Whether a target is inside of a fence. */
export const allowedBy = ({ regions, targets }: Fence) => ({ name, region }: Target): boolean =>
  (regions === undefined || (region !== undefined && regions.includes(region))) &&
  (targets === undefined || targets.includes(name))

const fields: Record<keyof Fence, true> = { regions: true, targets: true }
