/** Checks of options, each with the rule as a sentence that a user can act on. */
import { Duration } from "effect"
import { InvalidOptions } from "./invalidOptions.ts"

export const invalid = (field: string, value: unknown, rule: string): never => {
  throw new InvalidOptions({ field, value, rule })
}

/** What an error may show of a value that can hold what belongs in no log. */
export const formOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(() => null)
  return typeof value === "object" && value !== null ? {} : value
}

export const positiveInt = (field: string, value: unknown): number =>
  Number.isSafeInteger(value) && (value as number) >= 1
    ? value as number
    : invalid(field, value, "a whole number of 1 or more")

/** A fraction in parts per million, rounded down, because 2 of 3 has to reach a threshold of two thirds. */
export const fraction = (field: string, value: unknown): number =>
  isFraction(value) ? perMillion(value) : invalid(field, value, "a number from 0 to 1")

/** A fraction above zero in parts per million, at least one. */
export const fractionAboveZero = (field: string, value: unknown): number =>
  isFraction(value) && value > 0
    ? Math.max(1, perMillion(value))
    : invalid(field, value, "a number above 0 and up to 1")

const isFraction = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= 1
const perMillion = (value: number) => Math.floor(value * 1_000_000 + 1e-4)

const longest = Duration.toMillis("3650 days")

/** A duration as whole milliseconds, at least `minimum` and at most ten years. */
export const millis = (field: string, value: Duration.Input, minimum = 1): number =>
  wholeMillis(
    field,
    value,
    (parsed) => parsed >= minimum && parsed <= longest,
    `a finite duration of at least ${minimum} ms and at most ten years`
  )

/** How long something may take. An infinite duration is no limit. */
export const optionalLimit = (field: string, value: Duration.Input | undefined): Duration.Duration | undefined =>
  value === undefined ? undefined : Duration.millis(
    wholeMillis(
      field,
      value,
      (parsed) => parsed === Infinity || (parsed >= 1 && parsed <= longest),
      "a duration of at least 1 ms and at most ten years, or Infinity"
    )
  )

const wholeMillis = (field: string, value: Duration.Input, isRight: (parsed: number) => boolean, rule: string) => {
  const parsed = parsedMillis(value)
  return isRight(parsed)
    ? Math.ceil(parsed)
    : invalid(field, Duration.isDuration(value) ? Duration.format(value) : value, rule)
}

const parsedMillis = (value: Duration.Input): number => {
  // Checked here, because `Duration` takes a negative number or NaN as zero.
  if (typeof value === "number" && !(value >= 0)) return Number.NaN
  try {
    return Duration.toMillis(value)
  } catch {
    return Number.NaN
  }
}

export const optionalDuration = (field: string, value: Duration.Input | undefined): Duration.Duration | undefined =>
  value === undefined ? undefined : Duration.millis(millis(field, value))

export const key = (value: unknown): string =>
  typeof value === "string" && value !== "" ? value : invalid("key", value, "a string that is not empty")

export const optionalFunction = <A>(field: string, value: A): A =>
  value === undefined || typeof value === "function" ? value : invalid(field, value, "a function")

export const oneOf = <const A extends string>(field: string, value: unknown, known: ReadonlyArray<A>): A =>
  known.find((one) => one === value) ?? invalid(field, value, `one of ${known.join(", ")}`)

export const settleProbeAt = (value: "finish" | "first_content" = "finish"): "finish" | "first_content" =>
  oneOf("settleProbeAt", value, ["finish", "first_content"])

export const boolean = (field: string, value: unknown): boolean =>
  typeof value === "boolean" ? value : invalid(field, value, "true or false")
