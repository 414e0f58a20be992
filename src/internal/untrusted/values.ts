/**
 * Reads errors and headers of providers and clients, whose getters and proxies may throw and whose texts may be huge.
 * Nothing here throws, and everything reads a bounded part only.
 */

/** `self[key]`, or undefined if it is missing or cannot be read. */
export const property = (self: unknown, key: string): unknown => {
  if (self === null || (typeof self !== "object" && typeof self !== "function")) return undefined
  try {
    return Reflect.get(self, key)
  } catch {
    return undefined
  }
}

/** The length of the longest text that is parsed, 64 Ki. */
export const longestJson = 65_536

/** The parsed object of a JSON text of bounded length. */
export const json = (text: string): unknown => {
  if (text.length > longestJson || !/^\s*[{[]/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The first values of a list; none of any other value. */
export const items = (self: unknown, limit: number): ReadonlyArray<unknown> => {
  try {
    return Array.isArray(self) ? self.slice(0, limit) : []
  } catch {
    return []
  }
}

/** Whether a value is a list. */
export const isList = (self: unknown): boolean => {
  try {
    return Array.isArray(self)
  } catch {
    return false
  }
}

/** The names of the first fields of an object, none for anything else. */
export const keysOf = (self: unknown, limit: number): ReadonlyArray<string> => {
  if (typeof self !== "object" || self === null) return []
  try {
    return Object.keys(self).slice(0, limit)
  } catch {
    return []
  }
}

/** Looks up fields. Of a plain object, as JSON has them, only those that are there are touched. */
export const fieldsOf = (self: unknown): (key: string) => unknown => {
  const keys = isPlain(self) ? new Set(keysOf(self, 512)) : undefined
  return (key) => keys === undefined || keys.has(key) ? property(self, key) : undefined
}

/** Whether a value is an object as JSON has them. */
export const isPlain = (self: unknown): boolean => {
  if (typeof self !== "object" || self === null) return false
  try {
    return Object.getPrototypeOf(self) === Object.prototype
  } catch {
    return false
  }
}
