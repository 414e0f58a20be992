/** A process of Node that obeys orders. It is gone with the scope, and with the process that made it. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"

/**
 * - `order`: done when the process says so. It dies when the process does.
 * - `freeze`, `thaw`, `kill`: SIGSTOP, SIGCONT, and SIGKILL, which is done when the process is gone.
 */
export interface Process<in Order, out Answer> {
  readonly isAlive: () => boolean
  readonly order: (order: Order) => Effect.Effect<Answer>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
}

/** Runs a program of this directory. */
export const make = <Order, Answer>(
  program: string,
  name: string | number
): Effect.Effect<Process<Order, Answer>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const path = fileURLToPath(new URL(program, import.meta.url))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => fork(path, { execArgv: [], env: { ...process.env, NODE_OPTIONS: "" } })),
      kill
    )
    let orders = 0
    const waiting = new Map<number, (answer: Effect.Effect<Answer>) => void>()
    child.on("message", ({ answer, id }: { readonly id: number; readonly answer: Answer }) => {
      waiting.get(id)?.(Effect.succeed(answer))
      waiting.delete(id)
    })
    child.once("exit", () => {
      for (const resume of waiting.values()) resume(Effect.die(new Error(`process ${name} is gone`)))
    })
    return {
      isAlive: () => isAlive(child),
      order: (order) =>
        Effect.callback<Answer>((resume) => {
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
