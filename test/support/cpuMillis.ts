/**
 * How many milliseconds of a processor this thread needs for something. Other processes do not stretch it, as they would
 * what a clock on the wall says.
 */
export const cpuMillis = (run: () => unknown): number => {
  const before = process.threadCpuUsage()
  run()
  const { system, user } = process.threadCpuUsage(before)
  return (system + user) / 1000
}
