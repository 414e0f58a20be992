/** How a process of a fleet calls the provider: all its callers through one connection. */
import { Data, Effect } from "effect"
import { connect } from "node:net"
import { onLine, writeLine } from "./lines.ts"
import { monotonicMillis } from "./monotonicMillis.ts"
import type { Answered, Asked, View } from "./protocol.ts"

export class ProviderDown extends Data.TaggedError("ProviderDown") {}

export interface ProviderClient {
  readonly call: (view: View) => Effect.Effect<void, ProviderDown>
  readonly close: () => void
}

export const connectTo = (port: number, number: number): ProviderClient => {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true })
  socket.on("error", () => {})
  const running = new Map<number, (ok: boolean) => void>()
  let calls = 0
  onLine<Answered>(socket, ({ end, ok }) => running.get(end)?.(ok))
  writeLine<Asked>(socket, { hello: number })
  return {
    call: ({ _tag: state, generation }) =>
      Effect.callback<void, ProviderDown>((resume) => {
        const id = ++calls
        running.set(id, (ok) => {
          running.delete(id)
          resume(ok ? Effect.void : Effect.fail(new ProviderDown()))
        })
        writeLine<Asked>(socket, { begin: id, at: monotonicMillis(), state, generation })
        return Effect.sync(() => {
          running.delete(id)
          writeLine<Asked>(socket, { cancel: id, at: monotonicMillis() })
        })
      }),
    close: () => void socket.destroy()
  }
}
