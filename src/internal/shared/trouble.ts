/** What is wrong with the store, announced once, and not before a circuit is used. */
import type { Clock } from "effect"
import type { CircuitEvent } from "../../CircuitEvent.ts"
import { circuitMillis, wallMillis } from "../clock/time.ts"
import type { Hub } from "../observers/hub.ts"

export class Trouble {
  private readonly hub: Hub
  private readonly clock: Clock.Clock
  /** Whether any circuit was used, so that observers care. */
  private used = false
  /** What was announced of the present trouble. */
  private announced: CircuitEvent | undefined
  private present: { readonly at: number; readonly operation: string; readonly error: string } | undefined

  constructor(hub: Hub, clock: Clock.Clock) {
    this.hub = hub
    this.clock = clock
    hub.lasting.add((observer) => {
      if (this.announced !== undefined) hub.deliver(observer, this.announced)
    })
  }

  get error(): string | undefined {
    return this.present?.error
  }

  use(): void {
    if (this.used) return
    this.used = true
    this.announce()
  }

  begins(operation: string, error: string): void {
    // As long as no observer has the trouble, one that says more replaces it.
    if (this.present !== undefined && (this.used || weightOf(error) <= weightOf(this.present.error))) return
    this.present = { at: circuitMillis(this.clock), operation, error }
    if (this.used) this.announce()
  }

  ends(): void {
    if (this.present === undefined) return
    const { at } = this.present
    this.present = undefined
    this.announced = undefined
    if (!this.used || !this.hub.listening) return
    const degradedMillis = circuitMillis(this.clock) - at
    this.hub.announce({ event: "store.recovered", at: wallMillis(this.clock), degraded_ms: degradedMillis })
  }

  private announce(): void {
    if (this.present === undefined) return
    const { error, operation } = this.present
    this.announced = { event: "store.degraded", at: wallMillis(this.clock), operation, error }
    this.hub.announce(this.announced)
  }
}

// How much an error says: words of the server most, that it cannot be reached less, and its silence least.
const weightOf = (error: string) => error === "SILENT" ? 0 : error === "CONNECTION" || error === "TIMEOUT" ? 1 : 2
