/** Checks of the values that describe a route. */
import { invalid } from "../options/validation.ts"

/** A fence that is misspelt would let everything pass. */
export const checkFields = (field: string, given: object, known: Record<string, true>): void => {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name))
  if (unknown !== undefined) {
    invalid(
      `${field}.${unknown}`,
      formOf(Reflect.get(given, unknown)),
      `left out: known are ${Object.keys(known).join(", ")}`
    )
  }
}

export const oneOf = <const A extends string>(field: string, value: unknown, known: ReadonlyArray<A>): A =>
  known.find((one) => one === value) ?? invalid(field, value, `one of ${known.join(", ")}`)

// What only iterates takes a text for a list of letters.
export const list = <A>(field: string, value: ReadonlyArray<A>): ReadonlyArray<A> =>
  Array.isArray(value) ? value : invalid(field, value, "a list")

export const isRecord = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isBlank = (value: unknown): boolean => typeof value !== "string" || value.trim() === ""

/** What an error may show of a value that may hold a payload. */
export const formOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(() => null)
  if (typeof value === "function") return "a function"
  return typeof value === "object" && value !== null ? {} : value
}
