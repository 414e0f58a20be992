/** What a process knows of the circuit: the fields of its handle that nobody outside is shown. */
import { Circuit } from "effect-resilience"
import type { Process } from "./Process.ts"

export interface Inside {
  /** Undefined before its first use, and when it was forgotten. */
  readonly circuit: object | undefined
  readonly hasRead: boolean
  readonly upToDate: boolean
  readonly revision: number
  readonly readAt: number
  readonly confirmed: Circuit.Circuit
  readonly replica: Circuit.Circuit
  /** The generation in the words of the store, which has none for what it does not hold. */
  readonly generation: number
  readonly slotLost: boolean
  readonly streakEnded: boolean
  readonly claims: number
  readonly probes: ReadonlyArray<readonly [Circuit.Permit, { readonly until: number; readonly renewedAt: number }]>
}

export const insideOf = (process: Process): Inside => {
  const { circuit } = process
  if (circuit === undefined) return nothing
  const field = (name: string) => Reflect.get(circuit, name)
  const probing = field("probing")
  return {
    circuit,
    hasRead: field("hasRead"),
    upToDate: field("upToDate"),
    revision: field("revision"),
    readAt: field("readAt"),
    confirmed: field("confirmed"),
    replica: field("replica").current,
    generation: circuit.generation === field("unknown").generation ? 0 : circuit.generation,
    slotLost: field("slotLost"),
    streakEnded: field("streakEnded"),
    claims: probing.claims.size,
    probes: [...probing.probes]
  }
}

const nothing: Inside = {
  circuit: undefined,
  hasRead: false,
  upToDate: false,
  revision: -1,
  readAt: 0,
  confirmed: Circuit.initial(0),
  replica: Circuit.initial(0),
  generation: 0,
  slotLost: false,
  streakEnded: false,
  claims: 0,
  probes: []
}
