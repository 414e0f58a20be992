/** Delivers what circuits announce to observers: in order, each once, their faults contained and counted. */
import { type Clock } from "effect"
import type { State } from "../../Circuit.ts"
import type { CircuitEvent } from "../../CircuitEvent.ts"
import type { CircuitListener, CircuitObserver } from "../../CircuitObserver.ts"
import { wallMillis } from "../clock/time.ts"
import { Listeners, whenRejected } from "./listeners.ts"

const maxDepth = 16

export class Hub {
  /** Whether anybody wants events; if not, none is made. */
  listening = false
  /** Whether anybody wants to know how long the store takes. */
  timing = false
  /** Rises when observers of circuits come or go. */
  version = 0
  // Two breakers on one store may bring the same observer: listed twice, told once.
  private observers: ReadonlyArray<CircuitObserver> = []
  private readonly queue: Array<{ readonly event: CircuitEvent; readonly depth: number }> = []
  /** How many events in a row observers have answered with events of their own: 0 while none is delivered. */
  private depth = 0
  /** Who is told at this moment. */
  private told = ""
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
    const ofCircuits = (list: ReadonlyArray<CircuitObserver>) => new Set(list.filter(({ onCircuit }) => onCircuit)).size
    if (ofCircuits(observers) !== ofCircuits(this.observers)) this.version++
    this.observers = observers
    this.listening = observers.some(({ onEvent }) => onEvent !== undefined)
    this.timing = observers.some(({ onStoreOperation }) => onStoreOperation !== undefined)
  }

  /** Events announced from inside an observer wait until all have heard the present ones. */
  announce(...events: ReadonlyArray<CircuitEvent>): void {
    const depth = this.depth + 1
    // An observer whose doing makes the event that it hears would go on for ever.
    if (depth > maxDepth) return void this.counted("observer", this.told)
    this.queue.push(...events.map((event) => ({ event, depth })))
    if (depth > 1) return
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      this.depth = next.depth
      for (const observer of new Set(this.observers)) this.deliver(observer, next.event)
    }
    this.depth = 0
  }

  private deliver(observer: CircuitObserver, event: CircuitEvent): void {
    const isFault = event.event === "observer.failed"
    try {
      this.told = observer.name
      if (observer.onEvent === undefined || (isFault && event.observer === observer.name)) return
      whenRejected(observer.onEvent(event), (error) => this.faulted(observer.name, error, isFault))
    } catch (error) {
      this.faulted(this.told, error, isFault)
    }
  }

  /** Who hears of one circuit, undefined if nobody wants to. */
  listenersOf(key: string, state: State): Listeners | undefined {
    const listeners: Array<readonly [name: string, listener: CircuitListener]> = []
    this.tell((observer) => {
      const listener = observer.onCircuit?.(key, state)
      if (listener !== undefined) listeners.push([observer.name, listener])
    })
    return listeners.length === 0 ? undefined : new Listeners(listeners, (name, error) => this.faulted(name, error))
  }

  /** Tells how long an operation of the store took. */
  storeOperation(operation: string, durationMillis: number, error: string | undefined): void {
    this.tell((observer) => observer.onStoreOperation?.(operation, durationMillis, error))
  }

  /** Tells of a route of a failover router. */
  route(route: string, targets: ReadonlyArray<string>): void {
    this.tell((observer) => observer.onRoute?.(route, targets))
  }

  /** Counts a fault of a part that is not ours. A number at the powers of two, when it is worth a word. */
  counted(part: "observer" | "classifier", name: string): number | undefined {
    const counter = part === "observer" ? `observer ${String(name)}` : part
    const failures = (this.faults.get(counter) ?? 0) + 1
    this.faults.set(counter, failures)
    // To tell of a fault in telling of one could go on for ever.
    this.tell((observer) => observer.onFault?.(part, name), () => {})
    return (failures & (failures - 1)) === 0 ? failures : undefined
  }

  private tell(
    one: (observer: CircuitObserver) => void,
    failed: (name: string, error: unknown) => void = (name, error) => this.faulted(name, error)
  ): void {
    for (const observer of new Set(this.observers)) {
      try {
        one(observer)
      } catch (error) {
        failed(observer.name, error)
      }
    }
  }

  /** Counts a fault of an observer, and tells the others at times. */
  faulted(observer: string, error: unknown, silently = false): void {
    const failures = this.counted("observer", observer)
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
    return typeof name === "string" && /^[\w$./~@-]{1,100}$/.test(name) ? name : typeof error
  } catch {
    return "unreadable"
  }
}
