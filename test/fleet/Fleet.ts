/** Processes of Node, each with a breaker of its own. They are gone with the scope, and with the process that made them. */
import { Effect, type Scope } from "effect"
import * as Process from "./Process.ts"
import type { Answers, Order } from "./protocol.ts"

export interface Member extends Omit<Process.Process<Order, unknown>, "order"> {
  readonly number: number
  readonly order: <O extends Order>(order: O) => Effect.Effect<Answers[O["do"]]>
}

export type Fleet = ReadonlyArray<Member>

export const make = (size = 4): Effect.Effect<Fleet, never, Scope.Scope> =>
  Effect.forEach(Array.from({ length: size }, (_, index) => index), member, { concurrency: "unbounded" })

const member = (number: number): Effect.Effect<Member, never, Scope.Scope> =>
  Effect.map(Process.make<Order, never>("worker.ts", number), (process) => ({ ...process, number }))
