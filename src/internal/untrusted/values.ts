/**
 * Reading what nobody vouches for. Errors and headers come from anywhere: getters and proxies throw, texts are huge.
 * Nothing here throws, and nothing here looks at more than a bounded part.
 */

/** What `self[key]` is, or nothing when there is no such thing or it cannot be read. */
export const property = (self: unknown, key: string): unknown => {
  if (self === null || (typeof self !== "object" && typeof self !== "function")) return undefined
  try {
    return Reflect.get(self, key)
  } catch {
    return undefined
  }
}

/** The length of the longest text that is parsed: 64 Ki. */
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

/** The first values of a list, none for anything else. */
export const items = (self: unknown, limit: number): ReadonlyArray<unknown> => {
  try {
    return Array.isArray(self) ? self.slice(0, limit) : []
  } catch {
    return []
  }
}

/** Whether it is a list. */
export const isList = (self: unknown): boolean => {
  try {
    return Array.isArray(self)
  } catch {
    return false
  }
}
