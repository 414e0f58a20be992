/** Processes of Node, each with a breaker of its own. They are gone with the scope, and with the process that made them. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Answers, Order } from "./protocol.ts"

/**
 * - `order`: done when the process says so. It dies when the process does.
 * - `freeze`, `thaw`, `kill`: SIGSTOP, SIGCONT, and SIGKILL, which is done when the process is gone.
 */
export interface Member {
  readonly number: number
  readonly isAlive: () => boolean
  readonly order: <O extends Order>(order: O) => Effect.Effect<Answers[O["do"]]>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
}

export type Fleet = ReadonlyArray<Member>

export const make = (size = 4): Effect.Effect<Fleet, never, Scope.Scope> =>
  Effect.forEach(Array.from({ length: size }, (_, index) => index), member, { concurrency: "unbounded" })

const program = fileURLToPath(new URL("worker.ts", import.meta.url))

const member = (number: number): Effect.Effect<Member, never, Scope.Scope> =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => fork(program, { execArgv: [], env: { ...process.env, NODE_OPTIONS: "" } })),
      kill
    )
    let orders = 0
    const waiting = new Map<number, (answer: Effect.Effect<never>) => void>()
    child.on("message", ({ answer, id }: { readonly id: number; readonly answer: never }) => {
      waiting.get(id)?.(Effect.succeed(answer))
      waiting.delete(id)
    })
    child.once("exit", () => {
      for (const resume of waiting.values()) resume(Effect.die(new Error(`process ${number} is gone`)))
    })
    return {
      number,
      isAlive: () => isAlive(child),
      order: <O extends Order>(order: O) =>
        Effect.callback<Answers[O["do"]]>((resume) => {
          const id = ++orders
          waiting.set(id, resume)
          child.send({ id, order })
        }),
      freeze: Effect.sync(() => void child.kill("SIGSTOP")),
      thaw: Effect.sync(() => void child.kill("SIGCONT")),
      kill: kill(child)
    }
  })

const isAlive = (child: ChildProcess) => child.exitCode === null && child.signalCode === null

const kill = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (!isAlive(child)) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
