/** Checks of the values that describe a route. */
import { invalid } from "../options/validation.ts"

// What only iterates takes a text for a list of letters.
export const list = <A>(field: string, value: ReadonlyArray<A>): ReadonlyArray<A> =>
  Array.isArray(value) ? value : invalid(field, value, "a list")

export const isRecord = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const isBlank = (value: unknown): boolean => typeof value !== "string" || value.trim() === ""
