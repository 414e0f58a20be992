/**
 * Digests of what callers say about requests, because no part of a prompt may be kept. All processes of a fleet agree
 * about them, so they do not leave the process: a shared store gets them keyed by the key of a circuit
 * (`machine/keyed.ts`).
 */
const seeds = [0xdeadbeef, 0x41c6ce57] as const

const longest = 65_536
const numbers = new WeakMap<object, number>()
let objects = 0

/** Text and bytes by content, other objects by number. Beyond 64 Ki only the length and the end are read. */
export const digest = (value: unknown): number => {
  if (typeof value === "string") return mix(value.length, (index) => value.charCodeAt(index))
  if (value instanceof Uint8Array) return mix(value.length, (index) => value[index]!)
  if ((typeof value === "object" && value !== null) || typeof value === "function") {
    // Between the whole numbers, because no other process knows the object.
    const known = numbers.get(value) ?? ++objects + 0.5
    numbers.set(value, known)
    return known
  }
  return digest(String(value))
}

/** 53 bits by multiplication and rotation (cyrb53): quick, and enough to tell a few dozen requests apart. */
const mix = (length: number, at: (index: number) => number): number => {
  let [high, low]: [number, number] = [...seeds]
  for (let index = Math.max(0, length - longest); index < length; index++) {
    const code = at(index)
    high = Math.imul(high ^ code, 2_654_435_761)
    low = Math.imul(low ^ code, 1_597_334_677)
  }
  high = Math.imul((high ^ length) ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low = Math.imul((low ^ length) ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return 4_294_967_296 * (2_097_151 & low) + (high >>> 0) + 1
}
