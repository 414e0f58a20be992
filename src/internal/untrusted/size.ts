/** How much memory a value takes, roughly: its texts and bytes, and a bit for each value in it. */
import { isList, isPlain, items, keysOf, property } from "./values.ts"

/** The bytes of a value. Counts on no longer than `enough`, and so reads a bounded part only. */
export const sizeOf = (value: unknown, enough: number): number => {
  const seen = new Set<unknown>()
  const pending = [value]
  let size = 0
  while (pending.length > 0 && size < enough) {
    const next = pending.pop()
    size += bytesOf(next)
    if (seen.has(next)) continue
    seen.add(next)
    // Of the value itself whatever it is, but of what it refers to only data: a client or a socket is not its own.
    if (next !== value && !isPlain(next) && !isList(next)) continue
    for (const field of fieldsIn(next, (enough - size) / least)) pending.push(field)
  }
  return size
}

// What any value takes.
const least = 32

const bytesOf = (value: unknown): number => {
  if (typeof value === "string") return least + value.length
  try {
    return ArrayBuffer.isView(value) || value instanceof ArrayBuffer ? least + value.byteLength : least
  } catch {
    return least
  }
}

const fieldsIn = (value: unknown, limit: number): ReadonlyArray<unknown> => {
  if (ArrayBuffer.isView(value)) return []
  return isList(value) ? items(value, limit) : keysOf(value, limit).map((key) => property(value, key))
}
