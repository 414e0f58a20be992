/** The parts of the benchmark, in the order in which they run. */

export const parts = ["calls", "memory", "size", "redis", "growth"] as const

export type Part = typeof parts[number]

export const isPart = (name: string): name is Part => parts.some((part) => part === name)
