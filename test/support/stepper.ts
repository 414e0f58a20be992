/** Runs fibers one step at a time, to interrupt them anywhere. */
import type { Fiber, Scheduler } from "effect"

/** A scheduler whose fibers stop after every operation, and go on one step at a time. */
export const stepper = () => {
  const tasks: Array<() => void> = []
  const left = new WeakMap<object, number>()
  const scheduler: Scheduler.Scheduler = {
    executionMode: "async",
    // Two operations and a stop: the one that resumes the fiber and the one that it stopped before.
    shouldYield: (fiber: Fiber.Fiber<unknown, unknown>) => {
      const operations = left.get(fiber) ?? 0
      left.set(fiber, operations === 0 ? 2 : operations - 1)
      return operations === 0
    },
    makeDispatcher: () => ({
      scheduleTask: (task) => {
        tasks.push(task)
      },
      flush: () => {}
    })
  }
  const step = () => {
    const task = tasks.shift()
    task?.()
    return task !== undefined
  }
  return { scheduler, step }
}
