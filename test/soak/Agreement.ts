/** What the processes of a fleet tell of the same generation, which has to be the same. */
import type { Transition } from "./Transition.ts"
import type { Finding } from "./Witness.ts"

/** How many generations of a key are remembered: the processes are never further apart. */
const remembered = 16

export class Agreement {
  private readonly announced = new Map<string, Map<number, string>>()

  hear({ generation, key, reason, to }: Transition): ReadonlyArray<Finding> {
    const words = `${to} by "${reason}"`
    const ofKey = this.announced.get(key) ?? new Map<number, string>()
    this.announced.set(key, ofKey)
    const before = ofKey.get(generation)
    ofKey.set(generation, words)
    if (ofKey.size > remembered) ofKey.delete(ofKey.keys().next().value!)
    if (before === undefined || before === words) return []
    return [{ rule: "the fleet agrees", key, what: `${generation} is ${words}, and ${before}`, excusable: true }]
  }

  /** Whether a generation between two was announced: an observer that saw only those missed it, and made no error. */
  isBetween(key: string, lower: number, upper: number): boolean {
    return [...this.announced.get(key)?.keys() ?? []].some((generation) => generation > lower && generation < upper)
  }
}
