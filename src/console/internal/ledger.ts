/** The memory of the console: the last events, and the changes and recent calls of each circuit. */
import type { Clock } from "effect"
import type { CircuitEvent, Transition } from "../../CircuitEvent.ts"
import { circuitMillis, wallMillis } from "../../internal/clock/time.ts"
import type { CircuitObserver } from "../../internal/observers/observer.ts"
import { Calls, noCalls, type Tally } from "./calls.ts"
import type { Change, Happened } from "./snapshot.ts"

/** For how many circuits calls are counted and changes kept. */
const maxCircuits = 10_000
const maxChanges = 32
const timelineMillis = 3_600_000

export class Ledger implements CircuitObserver {
  readonly name = "console"
  readonly startedAt: number
  /** The number of the last event. */
  lastId = 0
  private readonly clock: Clock.Clock
  private readonly maxEvents: number
  private readonly recent: Array<Happened> = []
  private readonly tell: (happened: Happened) => void
  private readonly calls = new Map<string, Calls>()
  private readonly changes = new Map<string, ReadonlyArray<Change>>()

  constructor(clock: Clock.Clock, maxEvents: number, tell: (happened: Happened) => void) {
    this.clock = clock
    this.maxEvents = maxEvents
    this.tell = tell
    this.startedAt = wallMillis(clock)
  }

  readonly onEvent = (event: CircuitEvent): void => {
    // Not kept, because there may be thousands a second, which would displace all other events. `Calls` counts them.
    if (event.event === "circuit.skipped") return
    if ("to" in event) this.changed(event)
    const happened = { id: ++this.lastId, event }
    this.recent[this.lastId % this.maxEvents] = happened
    this.tell(happened)
  }

  readonly onCircuit = (key: string): Calls | undefined => {
    const known = this.calls.get(key)
    if (known !== undefined || this.calls.size >= maxCircuits) return known
    const calls = new Calls(() => circuitMillis(this.clock), () => {
      if (this.calls.get(key) !== calls) return
      this.calls.delete(key)
      this.changes.delete(key)
    })
    this.calls.set(key, calls)
    return calls
  }

  /** The events that are kept, the oldest first. */
  events(): ReadonlyArray<Happened> {
    return this.recent.filter(Boolean).sort((one, other) => one.id - other.id)
  }

  get eventsDropped(): number {
    return Math.max(0, this.lastId - this.maxEvents)
  }

  tally(key: string): Tally {
    return this.calls.get(key)?.tally() ?? noCalls
  }

  /** The last change that is older than an hour, and all later ones. */
  timeline(key: string): ReadonlyArray<Change> {
    const changes = this.changes.get(key) ?? []
    const first = changes.findIndex(({ at }) => at > wallMillis(this.clock) - timelineMillis)
    return first === -1 ? changes.slice(-1) : changes.slice(Math.max(0, first - 1))
  }

  private changed(event: Transition): void {
    const { at, from, key, reason, to } = event
    const change: Change = {
      at,
      from,
      state: to,
      reason,
      ...("note" in event ? { note: event.note } : {}),
      ...("actor" in event ? { actor: event.actor } : {})
    }
    const former = this.changes.get(key) ?? []
    // Moves the key to the end, because the first one, which has not changed for longest, is dropped.
    this.changes.delete(key)
    this.changes.set(key, [...former.slice(1 - maxChanges), change])
    if (this.changes.size > maxCircuits) this.changes.delete(this.changes.keys().next().value!)
  }
}
