/** What cost may grow with, and how the rows of the curves are called. Read by those who measure and those who draw. */

export interface Axis {
  readonly title: string
  readonly sizes: ReadonlyArray<number>
  readonly label: (size: number) => string
}

const several = (unit: string) => (size: number) => `${size} ${size === 1 ? unit : `${unit}s`}`

export const axes = {
  keys: { title: "keys", sizes: [1, 10, 100, 1000, 10_000, 100_000], label: several("key") },
  calls: { title: "window of calls", sizes: [10, 100, 1000, 10_000], label: (size) => `window of ${size} calls` },
  millis: {
    title: "window of milliseconds",
    sizes: [10, 100, 1000, 10_000],
    label: (size) => `window of ${size} ms`
  },
  observers: { title: "observers", sizes: [0, 1, 2, 3, 4], label: several("observer") },
  callers: { title: "callers at once", sizes: [1, 10, 100, 1000, 10_000], label: several("caller") }
} as const satisfies Record<string, Axis>

export type AxisName = keyof typeof axes

/** Whose cost it is: the closed calls of a library, or the floor. */
export const subjects = {
  floor: "floor",
  ours: "closed",
  persistence: "effect/persistence closed",
  cockatiel: "cockatiel closed",
  opossum: "opossum closed"
} as const

export type Subject = typeof subjects[keyof typeof subjects]

/** The floor that is measured among the calls of an axis. It grows with nothing but the callers. */
export const floorName = (axis: AxisName): string =>
  axis === "callers" ? pointName(axis, subjects.floor, 1) : `floor, by ${axes[axis].title}`

export const pointName = (axis: AxisName, subject: Subject, size: number): string =>
  `${subject}, ${axes[axis].label(size)}`
