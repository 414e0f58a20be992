/** The error of an option that breaks its rule. */
import { Data } from "effect"

/**
 * An option that breaks its rule. Layers die with it: it is a mistake in the program, not a condition to recover from.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidOptions extends Data.TaggedError("InvalidOptions")<{
  readonly field: string
  readonly value: unknown
  readonly rule: string
}> {
  override get message(): string {
    return `${this.field} must be ${this.rule}, but is ${shown(this.value)}`
  }
}

const shown = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.slice(0, 100))
    case "object":
      if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list"
      return value === null ? "null" : "an object"
    case "function":
      return "a function"
    default:
      return String(value)
  }
}
