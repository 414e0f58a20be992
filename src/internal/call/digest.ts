/** Keyed digests of what callers say about requests, because no part of a prompt may be kept. */

// Drawn by each process, because nobody who knows a text may be able to recognise its digest.
const seeds = [Math.random(), Math.random()].map((random) => Math.floor(random * 2 ** 32)) as [number, number]

const longest = 65_536
const numbers = new WeakMap<object, number>()
let objects = 0

/** Text and bytes by content, other objects by number. Beyond 64 Ki only the length and the end are read. */
export const digest = (value: unknown): number => {
  if (typeof value === "string") return mix(value.length, (index) => value.charCodeAt(index))
  if (value instanceof Uint8Array) return mix(value.length, (index) => value[index]!)
  if ((typeof value === "object" && value !== null) || typeof value === "function") {
    const known = numbers.get(value) ?? ++objects
    numbers.set(value, known)
    return known
  }
  return digest(String(value))
}

/** 53 bits by multiplication and rotation (cyrb53): quick, and enough to tell a few dozen requests apart. */
const mix = (length: number, at: (index: number) => number): number => {
  let [high, low] = seeds
  for (let index = Math.max(0, length - longest); index < length; index++) {
    const code = at(index)
    high = Math.imul(high ^ code, 2_654_435_761)
    low = Math.imul(low ^ code, 1_597_334_677)
  }
  high = Math.imul((high ^ length) ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low = Math.imul((low ^ length) ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0) + 1
}
