/** What the processes of a fleet, the test that runs them and the provider they call say to each other. */
import type { CircuitEvent, CircuitPolicy, CircuitState } from "../../src/index.ts"
import type { RedisCircuitStore } from "../../src/redis/index.ts"

/** What a process needs to be one of many that share the circuit of a key. It travels as JSON. */
export interface Setup {
  readonly url: string
  readonly prefix: string
  readonly key: string
  readonly policy: Omit<CircuitPolicy.CircuitPolicy, "classify">
  readonly store: Omit<RedisCircuitStore.Options, "prefix" | "requireConnection">
  readonly providerPort: number
}

/**
 * What a test orders a process to do; every order is answered when it is done.
 *
 * - `start`: callers think, call, and begin again; `calls` times each, or until `rest`.
 * - `rest`: done when the last calls are over.
 * - `look`: answers what this process believes of the circuit.
 * - `leave`: answers with all that happened.
 */
export type Order =
  | { readonly do: "join"; readonly setup: Setup; readonly process: number }
  | { readonly do: "start"; readonly callers: number; readonly thinkMillis: number; readonly calls?: number }
  | { readonly do: "rest" }
  | { readonly do: "forceOpen"; readonly millis?: number }
  | { readonly do: "reset" }
  | { readonly do: "look" }
  | { readonly do: "leave" }

export type Answers = {
  readonly [Name in Order["do"]]: Name extends "look" ? View : Name extends "leave" ? Recording : null
}

export type View = Pick<CircuitState.CircuitState, "_tag" | "generation">

/** How the calls of a process ended, by the name of the error; and its events but for rejections, with their time. */
export interface Recording {
  readonly results: Readonly<Record<string, number>>
  readonly events: ReadonlyArray<Stamped>
}

export interface Stamped {
  readonly at: number
  readonly event: CircuitEvent.CircuitEvent
}

/** What a process says to the provider. `state` and `generation` are what it believes when the call begins. */
export type Asked =
  | { readonly hello: number }
  | { readonly begin: number; readonly at: number; readonly state: View["_tag"]; readonly generation: number }
  | { readonly cancel: number; readonly at: number }

/** What the provider answers. */
export interface Answered {
  readonly end: number
  readonly ok: boolean
}
