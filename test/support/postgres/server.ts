/** Where the tests find PostgreSQL: at `PG_URL`, on the local port 5432, or a server that they start and stop. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import { execFileSync, spawn } from "node:child_process"
import { chownSync, mkdtempSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { findProgram } from "../programs/findProgram.ts"
import { initdb } from "../programs/programs.ts"
import { freePort } from "../redis/freePort.ts"

/** Vitest's global setup: workers find the server in the environment. */
export const setup = async (): Promise<(() => Promise<void>) | undefined> => {
  const local = "postgres://postgres@127.0.0.1:5432/postgres"
  if (process.env["PG_URL"]) return undefined
  if (await answers(local)) {
    process.env["PG_URL"] = local
    return undefined
  }
  const { stop, url } = await start()
  process.env["PG_URL"] = url
  return stop
}

const answers = (url: string): Promise<boolean> =>
  SqlClient.pipe(
    Effect.flatMap((sql) => sql`select 1`),
    Effect.provide(PgClient.layer({ url: Redacted.make(url), connectTimeout: "1 second" })),
    Effect.match({ onFailure: () => false, onSuccess: () => true }),
    Effect.runPromise
  )

interface Server {
  readonly url: string
  readonly port: number
  readonly stop: () => Promise<void>
}

/** A server of the tests' own, in a directory that goes with it, to which everybody on this machine may connect. */
export const start = async (): Promise<Server> => {
  const programs = dirname(realpathSync(findProgram(initdb)))
  const directory = mkdtempSync(join(tmpdir(), "postgres-"))
  // The server refuses to run as root.
  const user = process.getuid?.() === 0 ? nobody() : undefined
  if (user !== undefined) chownSync(directory, user.uid, user.gid)
  const port = await Effect.runPromise(freePort)
  const data = join(directory, "data")
  const options = { ...user, cwd: directory, stdio: "pipe" } as const
  execFileSync(join(programs, "initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], options)
  const args = ["-D", data, "-p", `${port}`, "-h", "127.0.0.1", "-k", directory, "-F"]
  const server = spawn(join(programs, "postgres"), args, { ...options, stdio: "ignore" })
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()))
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const stop = async () => {
    server.kill("SIGINT")
    await ended
    rmSync(directory, { recursive: true, force: true })
  }
  for (let attempt = 0; attempt < 100; attempt++) {
    if (await answers(url)) return { url, port, stop }
    await Effect.runPromise(Effect.sleep("100 millis"))
  }
  await stop()
  throw new Error(`PostgreSQL did not answer on port ${port}`)
}

const nobody = () => {
  const idOf = (flag: string) => Number(execFileSync("id", [flag, "nobody"], { encoding: "utf8" }))
  return { uid: idOf("-u"), gid: idOf("-g") }
}
