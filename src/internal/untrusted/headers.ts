/** Reads headers: an object with `get`, a `Map`, or a record with names in any case. Nothing here throws. */
import { items, property } from "./values.ts"

/** Looks up a header by its lower-case name. */
export type Lookup = (name: string) => string | undefined

/** A lookup in headers of any form. */
export const headerLookup = (headers: unknown): Lookup => {
  const get = property(headers, "get")
  if (typeof get === "function" && !isMap(headers)) {
    return (name) => {
      try {
        return headerText(Reflect.apply(get, headers, [name]))
      } catch {
        return undefined
      }
    }
  }
  const found = new Map<string, string>()
  for (const [name, value] of entries(headers)) {
    const text = headerText(value)
    if (text !== undefined && typeof name === "string") found.set(name.toLowerCase(), text)
  }
  return (name) => found.get(name)
}

const longestHeader = 256
const maxHeaders = 512

// Undefined for a long value, because numbers, names and dates are short.
const headerText = (value: unknown): string | undefined => {
  const first = items(value, 1)[0] ?? value
  if (typeof first === "number") return String(first)
  return typeof first === "string" && first.length <= longestHeader ? first.trim() : undefined
}

const isMap = (self: unknown): self is ReadonlyMap<unknown, unknown> => {
  try {
    return self instanceof Map
  } catch {
    return false
  }
}

const firstOf = <A>(values: Iterable<A>): ReadonlyArray<A> => {
  const found: Array<A> = []
  for (const value of values) {
    if (found.push(value) === maxHeaders) break
  }
  return found
}

const entries = (headers: unknown): ReadonlyArray<readonly [unknown, unknown]> => {
  try {
    if (isMap(headers)) return firstOf(headers)
    if (typeof headers !== "object" || headers === null) return []
    return Object.keys(headers).slice(0, maxHeaders).map((name) => [name, property(headers, name)])
  } catch {
    return []
  }
}
