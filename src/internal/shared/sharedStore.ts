/** Makes a store of circuits on a store of records. */
import { Effect } from "effect"
import type { CircuitStore } from "../../CircuitStore.ts"
import type { RecordStore } from "../../RecordStore.ts"
import { Initial } from "../circuit/initial.ts"
import { Registry } from "../circuit/registry.ts"
import { UnguardedCircuit } from "../circuit/unguardedCircuit.ts"
import { wallMillis } from "../clock/time.ts"
import { Authority, type Settings } from "./authority.ts"
import * as circuitId from "./circuitId.ts"
import { Heartbeat } from "./heartbeat.ts"
import { SharedCircuit } from "./sharedCircuit.ts"

export interface StoreSettings extends Settings {
  readonly connectMillis: number
  readonly requireConnection: boolean
  readonly maxCircuits: number
}

/** The circuits, and why the store did not answer in time, if so. */
export const make = Effect.fnUntraced(function*(records: RecordStore["Service"], settings: StoreSettings) {
  const authority = yield* Authority.make(records, settings)
  const heartbeat = new Heartbeat(authority, () => registry.values(), ({ id, revision, writer }) => {
    if (!authority.isOwn(writer)) registry.peek(circuitId.decode(id))?.following.changed(revision)
  })
  // In microseconds, as generations of a store are, and seldom equal in two processes.
  const initial = new Initial(wallMillis(authority.clock) * 1000 + Math.ceil(Math.random() * 1000))
  const registry = new Registry<SharedCircuit>(
    {
      make: (key, policy) => {
        authority.use()
        return new SharedCircuit(key, circuitId.encode(key), policy, authority, heartbeat, initial, true)
      },
      unguarded: (key, policy) => new UnguardedCircuit(key, policy, authority.hub, initial.circuit, initial.pass),
      dropped: (circuit) => {
        circuit.forgotten()
        initial.outlive(circuit)
      }
    },
    authority.hub,
    settings
  )
  authority.refreshAll = () => {
    for (const circuit of registry.values()) circuit.refresh()
  }
  yield* Effect.addFinalizer(() => heartbeat.flushed)
  yield* heartbeat.start(settings.connectMillis, settings.requireConnection)
  const store: CircuitStore["Service"] = {
    circuit: (key, policy, clock, now) => registry.use(key, policy, clock, now),
    keep: (key, policy, clock, now) => registry.keep(key, policy, clock, now),
    find: (key, policy, now) =>
      registry.get(key, now) ??
        new SharedCircuit(key, circuitId.encode(key), policy, authority, heartbeat, initial, false),
    circuits: (now) => registry.all(now),
    hub: authority.hub
  }
  return { store, fault: authority.hearsChanges ? undefined : authority.fault }
})
