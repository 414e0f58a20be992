/**
 * What matters of a fleet: equal for those to which the same can happen from now on. Times count by what is left of
 * them, generations and revisions by their order.
 */
import { Circuit } from "effect-resilience"
import type { Fleet } from "./Fleet.ts"
import { insideOf } from "./inside.ts"
import type { Process } from "./Process.ts"
import { absent, type Stored } from "./record.ts"

export const shape = (fleet: Fleet): string => {
  const { history, now, server } = fleet
  const owners = new Map(fleet.processes.map(({ authority, name }) => [authority.owner, name]))
  const ownerOf = (owner: string) => owners.get(owner) ?? "dead"
  const text = JSON.stringify([
    server.stored === undefined ? 0 : storedShape(server.stored, now, ownerOf),
    left((server.stored ?? absent).expireAt, now),
    generation(history.latest),
    left(history.heldUntil, now),
    history.running.map(({ leaseUntil, permit }) => [permitShape(permit), left(leaseUntil, now)]),
    fleet.processes.map((process) => processShape(process, now, ownerOf, fleet))
  ])
  return ranked(ranked(text, /G(\d+)/g), /R(\d+)/g)
}

type OwnerOf = (owner: string) => string

const left = (until: number, now: number) => until === Circuit.never ? -1 : Math.max(0, until - now)
const generation = (of: number) => `G${of}`
const permitShape = ({ generation: of, probe }: Circuit.Permit) => `${generation(of)}/${probe}`

const circuitShape = (circuit: Circuit.Circuit, now: number) => [
  circuit.state,
  generation(circuit.generation),
  circuit.failures,
  circuit.lastFailureKind === "",
  left(circuit.openUntil, now),
  circuit.openMillis,
  Math.min(circuit.openings, 2),
  circuit.state === "closed" ? left(circuit.closedAt + circuit.openMillis, now) : 0,
  circuit.probes.map(({ id, leaseUntil }) => [id, left(leaseUntil, now)]),
  circuit.issued,
  circuit.successes,
  left(circuit.rampUntil, now),
  circuit.rampUntil > now ? circuit.rampCredit : 0,
  left(circuit.gateUntil, now),
  left(circuit.hintUntil, now)
]

const storedShape = ({ circuit, held, owners, revision }: Stored, now: number, ownerOf: OwnerOf) => [
  circuitShape(circuit, now),
  `R${revision}`,
  held,
  [...owners].map(([id, owner]) => [id, ownerOf(owner)])
]

const argsShape = ([operation, , known, , , , , owner, ...args]: ReadonlyArray<string>, ownerOf: OwnerOf) => [
  operation,
  generation(Number(known)),
  ownerOf(owner!),
  args.map((arg) => arg.replace(/\d{6,}/g, (number) => Number(number) === Circuit.never ? "never" : `G${number}`))
]

const processShape = (process: Process, now: number, ownerOf: OwnerOf, { history }: Fleet) => {
  const inside = insideOf(process)
  const { maxStalenessMillis, idleMillis } = process.authority.settings
  const view = history.views[process.name]!
  return [
    inside.circuit === undefined ? 0 : [
      circuitShape(inside.replica, now),
      inside.hasRead,
      inside.upToDate,
      `R${Math.max(0, inside.revision)}`,
      generation(inside.confirmed.generation),
      Math.min(now - inside.readAt, maxStalenessMillis),
      Math.min(now - process.circuit!.seenAt, Math.max(maxStalenessMillis, idleMillis)),
      inside.slotLost,
      inside.streakEnded,
      inside.claims,
      inside.probes.map(([permit, lease]) => [permitShape(permit), left(lease.until, now), now - lease.renewedAt])
    ],
    [view.state, generation(view.generation)],
    process.calls.map(({ permit }) => permit === undefined ? "claims" : permitShape(permit)),
    process.requests.map(({ args }) => argsShape(args, ownerOf)),
    process.answers.map(({ args, moved, served: { reply } }) => [
      argsShape(args, ownerOf),
      moved,
      reply.status,
      storedShape(reply.stored, reply.at, ownerOf),
      reply.given.map((one) => one > 100_000 ? generation(one) : one)
    ]),
    process.messages.map(({ at, owner, stored }) => [ownerOf(owner), storedShape(stored, at, ownerOf)])
  ]
}

/** Numbers of which only the order counts, by their rank. */
const ranked = (text: string, pattern: RegExp): string => {
  const numbers = new Set<number>()
  for (const [, number] of text.matchAll(pattern)) numbers.add(Number(number))
  const ranks = new Map([...numbers].sort((one, other) => one - other).map((number, rank) => [number, rank]))
  return text.replace(pattern, (_, number: string) => `g${ranks.get(Number(number))}`)
}
