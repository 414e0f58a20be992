/** Delivers what circuits announce to observers: in order, each once, their faults contained and counted. */
import { type Clock } from "effect"
import type { CircuitEvent } from "../CircuitEvent.ts"
import type { CircuitObserver, OnCall } from "../CircuitObserver.ts"
import { wallMillis } from "./time.ts"

export class Hub {
  /** Whether anybody wants events; if not, none is made. */
  listening = false
  /** Rises when observers of calls come or go. */
  version = 0
  // Two breakers on one store may bring the same observer: listed twice, told once.
  private observers: ReadonlyArray<CircuitObserver> = []
  private readonly queue: Array<CircuitEvent> = []
  private delivering = false
  private readonly faults = new Map<string, number>()
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  add(observers: ReadonlyArray<CircuitObserver>): void {
    this.set([...this.observers, ...observers])
  }

  remove(observers: ReadonlyArray<CircuitObserver>): void {
    const remaining = [...this.observers]
    for (const observer of observers) remaining.splice(remaining.indexOf(observer), 1)
    this.set(remaining)
  }

  private set(observers: ReadonlyArray<CircuitObserver>): void {
    const ofCalls = (list: ReadonlyArray<CircuitObserver>) => new Set(list.filter(({ onCall }) => onCall)).size
    if (ofCalls(observers) !== ofCalls(this.observers)) this.version++
    this.observers = observers
    this.listening = observers.some(({ onEvent }) => onEvent !== undefined)
  }

  /** Events announced from inside an observer wait until all have heard the present ones. */
  announce(...events: ReadonlyArray<CircuitEvent>): void {
    this.queue.push(...events)
    if (this.delivering) return
    this.delivering = true
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      for (const observer of new Set(this.observers)) {
        if (observer.onEvent === undefined || (next.event === "observer.failed" && next.observer === observer.name)) {
          continue
        }
        try {
          observer.onEvent(next)
        } catch (error) {
          this.faulted(observer.name, error, next.event === "observer.failed")
        }
      }
    }
    this.delivering = false
  }

  /** What to tell of the calls of one circuit, undefined if nobody wants to know. */
  onCall(key: string): OnCall | undefined {
    const listeners: Array<OnCall> = []
    for (const { name, onCall } of new Set(this.observers)) {
      if (onCall === undefined) continue
      try {
        const listener = onCall(key)
        if (listener === undefined) continue
        listeners.push((result, durationMillis, kind) => {
          try {
            listener(result, durationMillis, kind)
          } catch (error) {
            this.faulted(name, error, false)
          }
        })
      } catch (error) {
        this.faulted(name, error, false)
      }
    }
    const [first, ...others] = listeners
    if (first === undefined || others.length === 0) return first
    return (result, durationMillis, kind) => {
      for (const listener of listeners) listener(result, durationMillis, kind)
    }
  }

  /** Counts a fault of a part that is not ours. True at the powers of two, when it is worth a word. */
  counted(name: string): number | undefined {
    const failures = (this.faults.get(name) ?? 0) + 1
    this.faults.set(name, failures)
    return (failures & (failures - 1)) === 0 ? failures : undefined
  }

  private faulted(observer: string, error: unknown, silently: boolean): void {
    const failures = this.counted(`observer ${String(observer)}`)
    if (failures === undefined || silently) return
    this.announce({
      event: "observer.failed",
      observer,
      at: wallMillis(this.clock),
      error: nameOf(error),
      failures
    })
  }
}

/** The name of what was thrown, never its text: that may hold anything. */
export const nameOf = (error: unknown): string => {
  try {
    const name = (error as { readonly name?: unknown } | undefined)?.name
    return typeof name === "string" ? name.slice(0, 100) : typeof error
  } catch {
    return "unreadable"
  }
}
