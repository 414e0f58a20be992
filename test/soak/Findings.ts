/** Every invariant that did not hold: kept, reported with what led to it, and counted. */
import type { Agreement } from "./Agreement.ts"
import type { Finding } from "./Witness.ts"

/** The last events of a key, as its process heard them. */
export type Past = (key: string) => ReadonlyArray<string>

interface Suspect {
  readonly finding: Finding
  readonly member: string
  readonly at: number
  readonly past: ReadonlyArray<string>
}

/** So long does a process take at most to hear what others did, while nothing is broken. */
const patienceMillis = 1000

/** So many of a rule are reported in full; more of them say nothing new. */
const reportedInFull = 3

export class Findings {
  count = 0
  /** Steps that a process of a fleet did not see because another one, or a fault, was quicker. */
  excused = 0
  readonly byRule = new Map<string, number>()
  private suspects: Array<Suspect> = []
  private readonly seed: string
  private readonly say: (line: string) => void
  private readonly startedAt = performance.now()

  constructor(seed: string, say: (line: string) => void) {
    this.seed = seed
    this.say = say
  }

  /** A finding that stands. */
  add(member: string, finding: Finding, past: Past): void {
    this.convict({ finding, member, at: performance.now(), past: past(finding.key) })
  }

  /** A finding that may have a reason: judged when that has come to light. */
  suspect(member: string, finding: Finding, past: Past): void {
    this.suspects.push({ finding, member, at: performance.now(), past: past(finding.key) })
  }

  /** Judges the suspects that have waited long enough; `disturbed` tells whether the store was broken then. */
  judge(agreement: Agreement, disturbed: (at: number) => boolean): void {
    const due = performance.now() - patienceMillis
    for (const suspect of this.suspects.filter(({ at }) => at <= due)) {
      const { at, finding: { gap, key } } = suspect
      const missed = gap !== undefined && agreement.isBetween(key, ...gap)
      if (missed || disturbed(at)) this.excused++
      else this.convict(suspect)
    }
    this.suspects = this.suspects.filter(({ at }) => at > due)
  }

  private convict({ at, finding: { key, rule, what }, member, past }: Suspect): void {
    this.count++
    this.byRule.set(rule, (this.byRule.get(rule) ?? 0) + 1)
    if (this.byRule.get(rule)! > reportedInFull) return
    const seconds = ((at - this.startedAt) / 1000).toFixed(3)
    this.say(`VIOLATION of "${rule}" at ${seconds} s, seed ${this.seed}, ${member}, key "${key}": ${what}`)
    for (const line of past) this.say(`    ${line}`)
  }
}
