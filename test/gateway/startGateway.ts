/** The gateway in this process, on a port of loopback. */
import { ConfigProvider, Console, Deferred, Effect, type Scope } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { main } from "../../examples/gateway.ts"

/** Where it is, what it has printed, and what it has logged so far. */
export interface Gateway {
  readonly url: string
  readonly lines: ReadonlyArray<string>
  readonly log: ReadonlyArray<string>
}

/** Runs it with this configuration until the scope closes. */
export const startGateway = (configuration: object): Effect.Effect<Gateway, never, Scope.Scope> =>
  Effect.gen(function*() {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "gateway-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true }))
    )
    const file = join(directory, "gateway.json")
    writeFileSync(file, JSON.stringify({ port: 0, ...configuration }))
    const lines: Array<string> = []
    const log: Array<string> = []
    const ready = yield* Deferred.make<void>()
    yield* Effect.forkScoped(main.pipe(
      Effect.provideService(Console.Console, {
        ...globalThis.console,
        log: (line: string) => {
          lines.push(line)
          Deferred.doneUnsafe(ready, Effect.void)
        },
        error: (line: string) => void log.push(line)
      }),
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ GATEWAY_CONFIG: file })))
    ))
    yield* Deferred.await(ready)
    return { url: lines[0]!.replace("gateway listens on ", ""), lines, log }
  })
