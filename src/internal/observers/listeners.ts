/** The listeners of one circuit, called one after the other. What one throws reaches neither the call nor another. */
import type { Kind } from "../../Outcome.ts"
import type { CallResult } from "./callResults.ts"
import type { CircuitListener } from "./observer.ts"

export class Listeners implements CircuitListener {
  private readonly listeners: ReadonlyArray<readonly [name: string, listener: CircuitListener]>
  private readonly faulted: (name: string, error: unknown) => void

  constructor(
    listeners: ReadonlyArray<readonly [name: string, listener: CircuitListener]>,
    faulted: (name: string, error: unknown) => void
  ) {
    this.listeners = listeners
    this.faulted = faulted
  }

  // Not by `each`, because every call comes here and a closure would be made for it.
  onCall(result: CallResult, durationMillis: number, kind: Kind | undefined): void {
    for (const [name, listener] of this.listeners) {
      try {
        const returned: unknown = listener.onCall?.(result, durationMillis, kind)
        if (returned !== undefined) whenRejected(returned, (error) => this.faulted(name, error))
      } catch (error) {
        this.faulted(name, error)
      }
    }
  }

  onStreamWait(phase: "first_content" | "idle", durationMillis: number): void {
    this.each((listener) => listener.onStreamWait?.(phase, durationMillis))
  }

  onForgotten(): void {
    this.each((listener) => listener.onForgotten?.())
  }

  private each(one: (listener: CircuitListener) => void): void {
    for (const [name, listener] of this.listeners) {
      try {
        one(listener)
      } catch (error) {
        this.faulted(name, error)
      }
    }
  }
}

/** What an `async` hook throws comes later, and would end the process if it were not caught. */
export const whenRejected = (returned: unknown, rejected: (error: unknown) => void): void => {
  if (returned instanceof Promise) returned.catch(rejected)
}
