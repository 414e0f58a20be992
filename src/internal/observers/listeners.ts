/** All who hear of one circuit, told one after the other; what they throw hurts nobody. */
import type { CallResult, CircuitListener } from "../../CircuitObserver.ts"
import type { Kind } from "../../Outcome.ts"

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

  // Without `tell`: this is told at every call.
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
    this.tell((listener) => listener.onStreamWait?.(phase, durationMillis))
  }

  onForgotten(): void {
    this.tell((listener) => listener.onForgotten?.())
  }

  private tell(one: (listener: CircuitListener) => void): void {
    for (const [name, listener] of this.listeners) {
      try {
        one(listener)
      } catch (error) {
        this.faulted(name, error)
      }
    }
  }
}

/** What an `async` hook throws comes later, and would end the process. */
export const whenRejected = (returned: unknown, rejected: (error: unknown) => void): void => {
  if (returned instanceof Promise) returned.catch(rejected)
}
