/** The provider that a fleet calls. Its log is the truth: every call of every process. */
import { Effect, type Scope } from "effect"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { onLine, writeLine } from "./lines.ts"
import { monotonicMillis } from "./monotonicMillis.ts"
import type { Answered, Asked, View } from "./protocol.ts"

/**
 * One call. `state` and `generation` are what its process believed of the circuit when it began, by the clock that all
 * share. `lost` is a call whose process is gone.
 */
export interface Call {
  readonly process: number
  readonly state: View["_tag"]
  readonly generation: number
  readonly beganAt: number
  endedAt: number
  end: "running" | "ok" | "down" | "cancelled" | "lost"
}

/** How a call is answered, and when; one that hangs is answered by `settle`. */
export type Answer = { readonly ok: boolean; readonly afterMillis: number } | "hangs"

/** `calls` in the order in which they arrived, and `answered` in that in which they were answered. */
export interface Provider {
  readonly port: number
  readonly calls: ReadonlyArray<Call>
  readonly answered: ReadonlyArray<Call>
  answer: (call: Call) => Answer
  readonly settle: (call: Call, ok: boolean) => void
}

export const healthy: Answer = { ok: true, afterMillis: 4 }
export const down: Answer = { ok: false, afterMillis: 4 }

export const make: Effect.Effect<Provider, never, Scope.Scope> = Effect.gen(function*() {
  const calls: Array<Call> = []
  const answered: Array<Call> = []
  const replies = new WeakMap<Call, (ok: boolean) => void>()
  const sockets = new Set<Socket>()

  const over = (call: Call, end: Call["end"], at: number) => {
    call.end = end
    call.endedAt = at
  }

  const listener = createServer({ noDelay: true }, (socket) => {
    let process = -1
    const running = new Map<number, Call>()
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => {
      sockets.delete(socket)
      for (const call of running.values()) over(call, "lost", monotonicMillis())
      running.clear()
    })
    onLine<Asked>(socket, (asked) => {
      if ("hello" in asked) {
        process = asked.hello
      } else if ("cancel" in asked) {
        const call = running.get(asked.cancel)
        if (call === undefined) return
        running.delete(asked.cancel)
        over(call, "cancelled", asked.at)
      } else {
        const { at, begin, generation, state } = asked
        const call: Call = { process, state, generation, beganAt: at, endedAt: Infinity, end: "running" }
        calls.push(call)
        running.set(begin, call)
        const reply = (ok: boolean) => {
          if (!running.delete(begin)) return
          over(call, ok ? "ok" : "down", monotonicMillis())
          answered.push(call)
          writeLine<Answered>(socket, { end: begin, ok })
        }
        replies.set(call, reply)
        const answer = provider.answer(call)
        if (answer !== "hangs") setTimeout(() => reply(answer.ok), answer.afterMillis)
      }
    })
  })

  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void listener.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        listener.close()
      })
  )
  const provider: Provider = {
    port: (listener.address() as AddressInfo).port,
    calls,
    answered,
    answer: () => healthy,
    settle: (call, ok) => replies.get(call)?.(ok)
  }
  return provider
})
