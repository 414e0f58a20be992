/** Delivers to observers what circuits, stores and routers announce: in order, each once, their faults contained. */
import { type Clock } from "effect"
import type { State } from "../../Circuit.ts"
import type { CircuitEvent } from "../../CircuitEvent.ts"
import type { Cause } from "../../FailoverEvent.ts"
import { wallMillis } from "../clock/time.ts"
import { frozen } from "./frozen.ts"
import { Listeners, whenRejected } from "./listeners.ts"
import type { CircuitListener, CircuitObserver } from "./observer.ts"

const maxDepth = 16

export class Hub {
  /** Whether an observer wants events; if not, none is made. */
  listening = false
  /** Whether an observer hears of attempts. */
  private hearsAttempts = false
  /** Rises when observers of circuits come or go. */
  version = 0
  // In the order in which they were attached. One that was attached twice is listed twice and called once.
  private observers: ReadonlyArray<CircuitObserver> = []
  /** Lets an observer that comes later know what was said before and still lasts: a route, a degraded store. */
  readonly lasting = new Set<(observer: CircuitObserver) => void>()
  private readonly queue: Array<{ readonly event: CircuitEvent; readonly depth: number }> = []
  /** How many events in a row observers have answered with events of their own: 0 while none is delivered. */
  private depth = 0
  /** The name of the observer that hears an event at this moment. */
  private hearing = ""
  private readonly faults = new Map<string, number>()
  private readonly clock: Clock.Clock

  constructor(clock: Clock.Clock) {
    this.clock = clock
  }

  /** Attaches an observer, and lets it know what was said before it came and still lasts. */
  add(observer: CircuitObserver): void {
    if (!this.set([...this.observers, observer], observer)) return
    for (const say of this.lasting) this.call(observer, say)
  }

  remove(observer: CircuitObserver): void {
    this.set(this.observers.toSpliced(this.observers.indexOf(observer), 1), observer)
  }

  // Whether the observer has come or gone by this.
  private set(observers: ReadonlyArray<CircuitObserver>, observer: CircuitObserver): boolean {
    const moved = this.observers.includes(observer) !== observers.includes(observer)
    if (moved && observer.onCircuit !== undefined) this.version++
    this.observers = observers
    this.listening = this.wants("onEvent")
    this.hearsAttempts = this.wants("onAttempt")
    return moved
  }

  /** Whether an observer has this hook. */
  wants(hook: keyof CircuitObserver): boolean {
    return this.observers.some((observer) => observer[hook] !== undefined)
  }

  /** Events announced from inside an observer wait until all have heard the present ones. */
  announce(...events: ReadonlyArray<CircuitEvent>): void {
    const depth = this.depth + 1
    // An observer whose doing makes the event that it hears would go on for ever.
    if (depth > maxDepth) return void this.counted("observer", this.hearing)
    this.queue.push(...events.map((event) => ({ event, depth })))
    if (depth > 1) return
    for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
      this.depth = next.depth
      for (const observer of new Set(this.observers)) this.deliver(observer, next.event)
    }
    this.depth = 0
  }

  /** Delivers an event to one observer. */
  deliver(observer: CircuitObserver, event: CircuitEvent): void {
    const isFault = event.event === "observer.failed"
    try {
      this.hearing = observer.name
      if (observer.onEvent === undefined || (isFault && event.observer === observer.name)) return
      whenRejected(observer.onEvent(frozen(event)), (error) => this.faulted(observer.name, error, isFault))
    } catch (error) {
      this.faulted(this.hearing, error, isFault)
    }
  }

  /** The listeners of one circuit, undefined if no observer has one. */
  listenersOf(key: string, state: State): Listeners | undefined {
    const listeners: Array<readonly [name: string, listener: CircuitListener]> = []
    this.callAll((observer) => {
      const listener = observer.onCircuit?.(key, state)
      if (listener !== undefined) listeners.push([observer.name, listener])
    })
    return listeners.length === 0 ? undefined : new Listeners(listeners, (name, error) => this.faulted(name, error))
  }

  /** Lets observers know of a route, also those that come later, until the function that it returns is called. */
  route(name: string, targets: ReadonlyArray<string>, active: () => string): () => void {
    const say = (observer: CircuitObserver) => observer.onRoute?.(name, targets, active())
    this.lasting.add(say)
    this.callAll(say)
    return () => this.lasting.delete(say)
  }

  /** Lets observers know of an attempt of a routed call. */
  attempt(route: string, target: string, cause: Cause | undefined): void {
    if (this.hearsAttempts) this.callAll((observer) => observer.onAttempt?.(route, target, cause))
  }

  /** Counts a fault of an observer or a classifier. A number at the powers of two, when it is worth an event. */
  counted(part: "observer" | "classifier", name: string): number | undefined {
    const counter = part === "observer" ? `observer ${String(name)}` : part
    const failures = (this.faults.get(counter) ?? 0) + 1
    this.faults.set(counter, failures)
    // A fault in hearing of a fault is not counted, because that could go on for ever.
    this.callAll((observer) => observer.onFault?.(part, name), () => {})
    return (failures & (failures - 1)) === 0 ? failures : undefined
  }

  /** Calls every observer, in order; what one throws is counted. */
  callAll(
    one: (observer: CircuitObserver) => void,
    failed?: (name: string, error: unknown) => void
  ): void {
    for (const observer of new Set(this.observers)) this.call(observer, one, failed)
  }

  private call(
    observer: CircuitObserver,
    one: (observer: CircuitObserver) => void,
    failed: (name: string, error: unknown) => void = (name, error) => this.faulted(name, error)
  ): void {
    try {
      one(observer)
    } catch (error) {
      failed(observer.name, error)
    }
  }

  /** Counts a fault of an observer, and lets the others hear of it at the powers of two. */
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

/** The name of what was thrown, never its text, because that may contain a prompt or a credential. */
export const nameOf = (error: unknown): string => {
  try {
    const name = (error as { readonly name?: unknown } | undefined)?.name
    return typeof name === "string" && /^[\w$./~@-]{1,100}$/.test(name) ? name : typeof error
  } catch {
    return "unreadable"
  }
}
