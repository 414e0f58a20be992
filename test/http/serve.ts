/** A provider on a port of loopback. */
import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { ScriptedProvider } from "effect-resilience/testing"
import { createServer } from "node:http"

/** Gives these answers, and is gone with the scope. */
export const serve = (
  ...answers: ReadonlyArray<ScriptedProvider.Answer>
): Effect.Effect<
  { readonly url: string; readonly provider: ScriptedProvider.ScriptedProvider },
  never,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const provider = ScriptedProvider.make(answers)
    const server = yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer(provider.handler)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    )
    const address = server.address()
    assert(typeof address === "object" && address !== null)
    return { url: `http://127.0.0.1:${address.port}/v1/chat`, provider }
  })
