/** The gateway in a process of its own. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Provider } from "./Provider.ts"
import { scale } from "./storyTime.ts"

/** A target is a provider under its own name, asked for `<name>-model`. */
export interface Target {
  readonly provider: Provider
  readonly apiKey?: string | undefined
  readonly contextTokens?: number | undefined
}

export interface Options {
  readonly apiKey?: string | undefined
  readonly rescueParts?: number | undefined
  readonly heapMegabytes?: number | undefined
  readonly models: Readonly<Record<string, ReadonlyArray<Target>>>
}

/**
 * - `terminate`: sends SIGTERM.
 * - `isTerminated`: whether it was sent.
 * - `ended`: waits until the process has ended by itself; gives its exit code, or the signal that killed it.
 * - `log`: what it printed so far.
 * - `peakMegabytes`: the most memory that the process has had.
 */
export interface Gateway {
  readonly url: string
  readonly terminate: Effect.Effect<void>
  readonly isTerminated: () => boolean
  readonly ended: Effect.Effect<number | string>
  readonly log: () => string
  readonly peakMegabytes: Effect.Effect<number>
}

const program = fileURLToPath(new URL("gatewayProcess.ts", import.meta.url))

/** Ready when it says so. */
export const make = (options: Options): Effect.Effect<Gateway, never, Scope.Scope> =>
  Effect.gen(function*() {
    const directory = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "gateway-"))),
      (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
    )
    const file = join(directory, "gateway.json")
    writeFileSync(file, JSON.stringify(configuration(options)))

    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [...heapOf(options), program], {
          env: { ...process.env, GATEWAY_CONFIG: file, FAULTS_SCALE: `${scale}` },
          stdio: ["pipe", "pipe", "pipe"]
        })
      ),
      (child) => {
        child.kill("SIGKILL")
        return ended(child)
      }
    )
    let isTerminated = false
    let log = ""
    const url = yield* Effect.callback<string>((resume) => {
      const read = (chunk: Buffer) => {
        log += chunk
        const line = /gateway listens on (http:\/\/127\.0\.0\.1:\d+)/.exec(log)
        if (line !== null) resume(Effect.succeed(line[1]!))
      }
      child.stdout.on("data", read)
      child.stderr.on("data", read)
      child.once("error", (error) => resume(Effect.die(error)))
      // Not "exit", which may come before the end of the log.
      child.once("close", () => resume(Effect.die(new Error(`the gateway did not start:\n${log}`))))
    })
    return {
      url,
      terminate: Effect.sync(() => {
        isTerminated = true
        child.kill("SIGTERM")
      }),
      isTerminated: () => isTerminated,
      ended: ended(child),
      log: () => log,
      peakMegabytes: Effect.callback<number>((resume) => {
        const read = () => {
          const peak = /^peak (\d+)$/m.exec(log.slice(asked))
          if (peak === null) return
          child.stdout.off("data", read)
          resume(Effect.succeed(Number(peak[1]) / 1_024))
        }
        const asked = log.length
        child.stdout.on("data", read)
        child.stdin.write("peak\n")
      })
    }
  })

const ended = (child: ChildProcess) =>
  Effect.callback<number | string>((resume) => {
    const tell = () => resume(Effect.succeed(child.exitCode ?? child.signalCode ?? "never started"))
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return tell()
    child.once("exit", tell)
  })

const heapOf = ({ heapMegabytes }: Options) =>
  heapMegabytes === undefined ? [] : [`--max-old-space-size=${heapMegabytes}`]

const configuration = ({ apiKey, models, rescueParts }: Options) => ({
  port: 0,
  apiKey,
  rescueParts,
  // Shorter than by default, because a case waits for them.
  attemptTimeout: "30 seconds",
  firstContentTimeout: "10 seconds",
  idleTimeout: "10 seconds",
  models: Object.fromEntries(
    Object.entries(models).map(([model, targets]) => [model, {
      targets: targets.map(({ apiKey, contextTokens, provider }) => ({
        name: provider.name,
        baseUrl: provider.baseUrl,
        model: `${provider.name}-model`,
        apiKey,
        contextTokens
      }))
    }])
  )
})
