/** The clock that all processes of a machine share and nobody sets. */
export const monotonicMillis = (): number => Number(process.hrtime.bigint()) / 1_000_000

/** From wall time, which is that of a server, to the clock above. Waits for the next millisecond to begin. */
export const shiftFromWall = (): number => {
  const before = Date.now()
  let now = before
  while (now === before) now = Date.now()
  return monotonicMillis() - now
}
