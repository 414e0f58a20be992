/** How much of a stream may be held back: bounded for a call, and for all calls of the process together. */
import { Context } from "effect"
import * as Outcome from "../../Outcome.ts"
import type { ClassifyPart, Opaque } from "../../StreamSignal.ts"
import { sizeOf as estimate } from "../untrusted/size.ts"

export interface HeldLimits {
  readonly ofCall: number
  readonly ofProcess: number
}

/** What all calls of the process may hold beyond what is their own. */
export const MaxHeldBytes: Context.Reference<number> = Context.Reference("effect-resilience/MaxHeldBytes", {
  defaultValue: () => 67_108_864
})

// So much is every call's own, so that the calls of others never keep a usual opener from being held.
const ownBytes = 65_536

/** What the calls of this process hold back beyond what is their own. */
let shared = 0

export class HeldBytes {
  private readonly limits: HeldLimits
  private bytes = 0

  constructor(limits: HeldLimits) {
    this.limits = limits
  }

  /** Takes room for one more part. Without any: what it says of the target that it needs more. */
  take(bytes: number): Outcome.Outcome | undefined {
    const held = this.bytes + bytes
    if (held > this.limits.ofCall) return tooMuch
    const more = beyond(held) - beyond(this.bytes)
    if (more > 0 && shared + more > this.limits.ofProcess) return noRoom
    shared += more
    this.bytes = held
    return undefined
  }

  readonly free = (): void => {
    shared -= beyond(this.bytes)
    this.bytes = 0
  }
}

const beyond = (bytes: number) => Math.max(0, bytes - ownBytes)

/** The bytes of a part, as its reader says, or roughly. Every part takes a bit, whatever its reader says. */
export const sizeOf = <A>(reader: ClassifyPart<A> | Opaque, part: A, enough: number): number =>
  overhead + (sizeBy(reader, part) ?? estimate(part, enough))

const overhead = 32

const sizeBy = <A>(reader: ClassifyPart<A> | Opaque, part: A): number | undefined => {
  if (typeof reader !== "function" || reader.sizeOf === undefined) return undefined
  try {
    const said = reader.sizeOf(part)
    return said >= 0 ? said : undefined
  } catch {
    return undefined
  }
}

const tooMuch = Outcome.failure("slow_first_content")
// Not counted, because it is for others that there is no room.
const noRoom = Outcome.ignored("slow_first_content", { elsewhere: true })
