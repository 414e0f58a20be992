/** How late this process was, so that a busy machine is not taken for a slow breaker. */
const tickMillis = 10
const remembered = 1000

export class LateMachine {
  private readonly ticks: Array<{ readonly at: number; readonly late: number }> = []
  private tick = 0
  private expected = performance.now() + tickMillis
  private readonly timer = setInterval(() => {
    const at = performance.now()
    this.ticks[this.tick++ % remembered] = { at, late: Math.max(0, at - this.expected) }
    this.expected = at + tickMillis
  }, tickMillis)

  /** All the lateness since a time: what a call may have had to wait for, turn by turn. */
  since(from: number): number {
    const now = performance.now()
    const pending = Math.max(0, now - this.expected)
    return this.ticks.reduce((sum, { at, late }) => at >= from ? sum + late : sum, pending)
  }

  stop(): void {
    clearInterval(this.timer)
  }
}
