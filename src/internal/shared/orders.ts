/** What an operator does to a circuit of the fleet. */
import { Clock, Effect, Fiber } from "effect"
import type { Circuit } from "../../Circuit.ts"
import type { Operator } from "../../CircuitStore.ts"
import type { Host } from "./host.ts"
import { advanced, countedBy } from "./settlement.ts"

/** Carries an order out in the store, and `here` where the store cannot be asked. */
export const order = (
  host: Host,
  operation: string,
  operator: Operator,
  here: Effect.Effect<void>,
  next: (circuit: Circuit, now: number) => Circuit
): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { authority, policy, queue } = host
    const orderHere = Effect.provideService(here, Clock.Clock, authority.clock)
    if (host.degraded) return orderHere
    const change = queue.change((basis) => {
      const { entry } = basis
      const circuit = next(entry.circuit, basis.now)
      if (circuit === entry.circuit) return { entry }
      const moved = advanced(policy, entry, circuit, countedBy(basis))
      const held = moved.held || circuit.state === "forced_open"
      return { entry: { ...moved, words: operator, held }, announces: true }
    })
    // Reads first if it never has, because the transition is announced only if the state before it is known.
    const ordered = host.asked(operation, queue.hasRead ? change : Effect.andThen(queue.read, change))
    const fiber = authority.fork(Effect.exit(ordered))
    return Effect.flatMap(Effect.interruptible(Fiber.await(fiber)), (exit) =>
      exit._tag === "Success" && exit.value._tag === "Failure" ? orderHere : Effect.void)
  })
