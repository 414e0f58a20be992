/** A Redis server of a test's own: on loopback, in memory only, and gone with the scope. */
import { Data, Effect, type Scope } from "effect"
import type { ChildProcess } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { connectTo } from "./connectTo.ts"
import { freePort } from "./freePort.ts"
import * as redisProcess from "./redisProcess.ts"

/**
 * - `args`: of the program, such as `["--user", "reader", "on", ">secret", "~*", "+get"]`.
 * - `config`: lines of its configuration file.
 * - `port`: a free one unless given.
 * - `replicaOf`: the port of its master.
 * - `tls`: speaks TLS only, with `certificate`.
 * - `dir`: where it works; it stays there. Unless given, one of its own that is removed with the scope.
 */
export interface Options {
  readonly args?: ReadonlyArray<string> | undefined
  readonly config?: ReadonlyArray<string> | undefined
  readonly port?: number | undefined
  readonly replicaOf?: number | undefined
  readonly tls?: boolean | undefined
  readonly dir?: string | undefined
}

/**
 * - `pid`: of the process that runs now, or ran last.
 * - `command`: any command, by a connection of its own that goes straight to the server.
 * - `freeze`, `thaw`: SIGSTOP and SIGCONT. A frozen server accepts connections and answers nothing.
 * - `kill`: SIGKILL. Done when the process is gone.
 * - `restart`: on the same port, with no data, whether it runs or not.
 * - `commandstats`: how often each command was called, by its name in Redis, such as `get` or `config|get`. Those of
 *   `command` count like all others; asking costs one `info` that the next answer shows.
 * - `resetStats`: sets them to zero, but for its own `config|resetstat`.
 */
export interface RedisServer {
  readonly port: number
  readonly url: string
  readonly pid: () => number
  readonly command: (name: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<unknown, CommandFailed>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  readonly kill: Effect.Effect<void>
  readonly restart: Effect.Effect<void>
  readonly commandstats: Effect.Effect<Record<string, number>>
  readonly resetStats: Effect.Effect<void>
}

/** What the server answered, or why it could not be asked. */
export class CommandFailed extends Data.TaggedError("CommandFailed")<{
  readonly message: string
  readonly cause: unknown
}> {}

/** The certificate of servers that speak TLS, for localhost and 127.0.0.1. It signs itself: trust it as a CA. */
export const certificate = readFileSync(new URL("tls/server.crt", import.meta.url), "utf8")
const certificateFile = fileURLToPath(new URL("tls/server.crt", import.meta.url))
const keyFile = fileURLToPath(new URL("tls/server.key", import.meta.url))

export const make = (options: Options = {}): Effect.Effect<RedisServer, never, Scope.Scope> =>
  Effect.gen(function*() {
    const dir = options.dir ?? (yield* privateDirectory)
    const file = join(dir, "redis.conf")
    const start = redisProcess.start([file, ...options.args ?? []])

    const running: { port: number; process: ChildProcess } = yield* Effect.acquireRelease(
      (options.port === undefined ? freePort : Effect.succeed(options.port)).pipe(
        Effect.tap((port) => Effect.sync(() => writeFileSync(file, configuration(options, port, dir)))),
        Effect.flatMap((port) => Effect.map(start, (process) => ({ port, process }))),
        Effect.retry({ times: 10 }),
        Effect.orDie
      ),
      (running) => redisProcess.kill(running.process)
    )
    const { port } = running
    const signal = (name: NodeJS.Signals) => Effect.sync(() => void running.process.kill(name))
    const kill = Effect.suspend(() => redisProcess.kill(running.process))
    const command = commandOn(port, options.tls === true)

    return {
      port,
      url: `${options.tls === true ? "rediss" : "redis"}://127.0.0.1:${port}`,
      pid: () => running.process.pid!,
      command,
      freeze: signal("SIGSTOP"),
      thaw: signal("SIGCONT"),
      kill,
      // Again and again, as an outgoing connection may hold the port just now. Uninterruptible, or a server gets lost.
      restart: kill.pipe(
        Effect.andThen(start),
        Effect.tap((process) => Effect.sync(() => running.process = process)),
        Effect.retry({ times: 10 }),
        Effect.orDie,
        Effect.asVoid,
        Effect.uninterruptible
      ),
      commandstats: Effect.orDie(Effect.map(command("INFO", "commandstats"), parseCommandstats)),
      resetStats: Effect.orDie(Effect.asVoid(command("CONFIG", "RESETSTAT")))
    }
  })

const privateDirectory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "redis-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)

/** A file, since sentinels demand one, and a failover writes there who replicates whom now. */
const configuration = ({ config = [], replicaOf, tls }: Options, port: number, dir: string) =>
  [
    "bind 127.0.0.1",
    ...tls === true
      ? [
        "port 0",
        `tls-port ${port}`,
        `tls-cert-file ${quoted(certificateFile)}`,
        `tls-key-file ${quoted(keyFile)}`,
        `tls-ca-cert-file ${quoted(certificateFile)}`,
        "tls-auth-clients no"
      ]
      : [`port ${port}`],
    `dir ${quoted(dir)}`,
    "save \"\"",
    "appendonly no",
    // A replica gets its master's data as soon as it asks, and keeps no file of them.
    "repl-diskless-sync yes",
    "repl-diskless-sync-delay 0",
    "rdb-del-sync-files yes",
    ...replicaOf === undefined ? [] : [`replicaof 127.0.0.1 ${replicaOf}`],
    ...config,
    ""
  ].join("\n")

/** A path may hold blanks. Redis reads the escapes of JSON. */
const quoted = (path: string) => JSON.stringify(path)

const commandOn = (port: number, tls: boolean): RedisServer["command"] => (name, ...args) =>
  connectTo(tls ? { port, tls: { ca: certificate } } : { port }).pipe(
    Effect.flatMap((redis) =>
      Effect.callback<unknown, CommandFailed>((resume) => {
        const fail = (cause: Error) => resume(Effect.fail(new CommandFailed({ message: cause.message, cause })))
        // It knows why there is no connection, of which the command only says that it is closed.
        redis.on("error", fail)
        redis.call(name, ...args).then((reply) => resume(Effect.succeed(reply)), fail)
      })
    ),
    Effect.scoped
  )

const parseCommandstats = (info: unknown): Record<string, number> =>
  Object.fromEntries(
    Array.from(String(info).matchAll(/^cmdstat_(.+?):calls=(\d+)/gm), ([, name, calls]) => [name, Number(calls)])
  )
