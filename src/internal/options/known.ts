/** Options by name. JavaScript and casts let through one that does not exist, and nothing would read it. */
import { formOf, invalid } from "./validation.ts"

/**
 * Refuses what is no object of options, and a name that is not known. `at` is the field that has the options, if it is
 * not the user's outermost object, which is called `whole`.
 */
export const checkOptions = <A extends object>(
  options: A,
  known: Record<keyof A, true>,
  at?: string,
  whole = at ?? "options"
): void => {
  if (Object(options) !== options) invalid(whole, options, "an object")
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name))
  if (unknown === undefined) return
  // The others are the library's own marks.
  const names = Object.keys(known).filter((name) => /^[a-z]/i.test(name))
  const near = names.find((name) => isNear(name, unknown))
  const value: unknown = Reflect.get(options, unknown)
  invalid(
    at === undefined ? unknown : `${at}.${unknown}`,
    // It can be a secret that was meant for another option.
    typeof value === "string" ? "a text" : formOf(value),
    `left out${near === undefined ? "" : ` (did you mean ${near}?)`}: known are ${names.join(", ")}`
  )
}

/** Whether two names are the same but for two letters at one place. */
const isNear = (one: string, other: string): boolean => {
  const shorter = Math.min(one.length, other.length)
  let start = 0
  while (start < shorter && one[start] === other[start]) start++
  let end = 0
  while (end < shorter - start && one.at(-1 - end) === other.at(-1 - end)) end++
  return start + end >= Math.max(one.length, other.length) - 2
}
