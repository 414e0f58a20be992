/** What the circuit of a key remembers of requests that fail and are served: the pure rules with a place to keep it. */
import * as evidence from "../machine/evidence.ts"

export class EvidenceLog {
  /** When an undescribed call was served last. A plain field, because every call of a closed circuit sets it. */
  servedAt = -Infinity
  private now: evidence.Evidence = evidence.none

  /** Whether failures are remembered for which it matters who comes and who is served. */
  get isRemembering(): boolean {
    return this.now.failed.length > 0
  }

  failed(
    identity: evidence.Identity,
    now: number,
    isProbe: boolean,
    allowance: number
  ): evidence.NotCounted | undefined {
    if (this.servedAt > -Infinity) {
      this.served(0, 0, this.servedAt)
      this.servedAt = -Infinity
    }
    const { evidence: after, notCounted } = evidence.failed(this.now, identity, now, isProbe, allowance)
    this.now = after
    return notCounted
  }

  served(request: number, source: number, now: number): void {
    this.now = evidence.served(this.now, request, source, now)
  }

  came(identity: evidence.Identity, now: number): void {
    this.now = evidence.came(this.now, identity, now)
  }

  keptFromProbing(identity: evidence.Identity, hasFailedElsewhere: boolean, now: number, openMillis: number): number {
    return evidence.keptFromProbing(this.now, identity, hasFailedElsewhere, now, openMillis)
  }
}
