/** Brings calls back by and by: each earns the share of the ramp that has passed, and a whole one lets it through. */

/** What is earned with one more call, and whether that call goes through. */
export const earn = (
  credit: number,
  elapsedMillis: number,
  rampMillis: number
): { readonly passes: boolean; readonly credit: number } => {
  const earned = credit + elapsedMillis
  const passes = earned >= rampMillis
  return { passes, credit: passes ? earned - rampMillis : earned }
}
