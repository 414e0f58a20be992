/** Who comes first among the targets of one tier. */
import { type Fiber, Hash, Random } from "effect"
import type { Target } from "../../FailoverRoute.ts"

/** Weighted shares of a tier: an exponential race, drawn anew for each call or from the sticky key. */
export const rankOf = (fiber: Fiber.Fiber<unknown, unknown>, stickyKey: string | undefined) => {
  const random = fiber.getRef(Random.Random)
  return ({ name, weight }: Target): number => {
    if (weight === 0) return -Infinity
    const draw = stickyKey === undefined ? random.nextDoubleUnsafe() : fraction(`${stickyKey}\u0000${name}`)
    return Math.log(1 - draw) / weight
  }
}

/** A number from 0 to below 1 that looks random and is always the same for a text. */
const fraction = (text: string): number => {
  let hash = Hash.string(text)
  // Hashes of texts that differ in their last letters only are neighbours until they are mixed.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}
