/**
 * Failures in a row, of several processes that each know the order of their own calls only. A failure is in the row
 * until a success is known that came after it. Plain data; times are whole milliseconds of one clock.
 */

/** Failures that one process counted at about one time. */
export interface Run {
  readonly at: number
  readonly by: string
  readonly failures: number
}

export type Streak = ReadonlyArray<Run>

/**
 * For how long the order of calls of two processes is not known. Of n failures the first may be taken back by so much,
 * and as many more take n times as long: five in a row still open within a slot of the windows.
 */
const unorderedMillis = 20

// Beyond this the oldest are one run, so that a record stays small.
const maxRuns = 64

export const none: Streak = []

export const length = (self: Streak): number => self.reduce((sum, { failures }) => sum + failures, 0)

/**
 * Adds a failure of a process. `servedAt` is when the process served a call since its failure before this one: that
 * has ended its own failures, and those of other processes up to a moment later.
 */
export const failed = (self: Streak, by: string, at: number, servedAt: number | undefined): Streak => {
  const left = servedAt === undefined
    ? self
    : self.filter((run) => run.by !== by && run.at > servedAt + unorderedMillis)
  const last = left.at(-1)
  if (last?.by === by && last.at === at) return [...left.slice(0, -1), { ...last, failures: last.failures + 1 }]
  const runs = [...left, { at, by, failures: 1 }]
  if (runs.length <= maxRuns) return runs
  const [oldest, next, ...others] = runs as [Run, Run, ...Array<Run>]
  return [{ ...next, failures: oldest.failures + next.failures }, ...others]
}

/** What is left after a success that a process reports, which came after all its own failures. */
export const served = (self: Streak, by: string, servedAt: number): Streak => {
  const left = self.filter(({ at, by: other }) => other !== by && at >= servedAt)
  return left.length === self.length ? self : left
}
