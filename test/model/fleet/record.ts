/** What the server of the model holds for a circuit, and how it tells it: `luaRecord.ts` in TypeScript. */
import { Circuit } from "effect-resilience"
import { numbers, texts } from "../../../src/redis/internal/luaRecord.ts"

export interface Stored {
  readonly circuit: Circuit.Circuit
  readonly revision: number
  /** Whose each probe is. */
  readonly owners: ReadonlyMap<number, string>
  readonly held: boolean
  readonly note: string
  readonly actor: string
  readonly expireAt: number
}

/** What is to be read where nothing is stored. */
export const absent: Stored = {
  circuit: Circuit.initial(0),
  revision: 0,
  owners: new Map(),
  held: false,
  note: "",
  actor: "",
  expireAt: 0
}

/** An answer of the script, before it is written down. */
export interface Reply {
  readonly status: "ok" | "late" | "stale"
  readonly at: number
  readonly stored: Stored
  readonly failureThreshold: number
  readonly given: ReadonlyArray<number>
}

/** A message about a transition, before it is written down. */
export interface Message {
  readonly id: string
  readonly owner: string
  readonly at: number
  readonly stored: Stored
}

export const writeReply = ({ at, failureThreshold, given, status, stored }: Reply): ReadonlyArray<string> => [
  status,
  String(at),
  "0",
  "0",
  String(failureThreshold),
  "",
  ...fields(stored),
  ...given.map(String)
]

export const writeMessage = ({ at, id, owner, stored }: Message): string =>
  JSON.stringify([id, owner, String(at), ...fields(stored)])

const fields = ({ actor, circuit, held, note, owners, revision }: Stored): ReadonlyArray<string> => {
  const text = (name: typeof texts[number]): string => {
    switch (name) {
      case "probes":
        return circuit.probes.map(({ id, leaseUntil }) => `${id}:${leaseUntil}:${owners.get(id)};`).join("")
      case "latencyTripped":
        return ""
      case "held":
        return held ? "1" : ""
      case "note":
        return note
      case "actor":
        return actor
      default:
        return circuit[name]
    }
  }
  return [...texts.map(text), ...numbers.map((name) => String(name === "revision" ? revision : circuit[name]))]
}
