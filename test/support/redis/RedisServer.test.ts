import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Option, Scope } from "effect"
import { execFile } from "node:child_process"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { eventually } from "../eventually.ts"
import { connectTo } from "./connectTo.ts"
import * as RedisServer from "./RedisServer.ts"

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const failure = (command: Effect.Effect<unknown, RedisServer.CommandFailed>) =>
  Effect.map(Effect.flip(command), ({ message }) => message)

const ping = ({ command }: RedisServer.RedisServer) => command("PING")

describe("RedisServer", () => {
  it.live("runs commands, and says why one fails", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      assert.strictEqual(yield* ping(server), "PONG")
      yield* server.command("HSET", "hash", "field", 1)
      assert.deepStrictEqual(yield* server.command("HGETALL", "hash"), ["field", "1"])
      assert.match(yield* failure(server.command("GET", "hash")), /^WRONGTYPE/)
      assert.strictEqual(server.url, `redis://127.0.0.1:${server.port}`)
    }))

  it.live("is gone with its scope, frozen or not, and so is its directory", () =>
    Effect.gen(function*() {
      for (const state of ["thaw", "freeze", "kill"] as const) {
        const scope = yield* Scope.make()
        const server = yield* Scope.provide(RedisServer.make(), scope)
        const [, dir] = (yield* server.command("CONFIG", "GET", "dir")) as [string, string]
        assert.isTrue(isRunning(server.pid()) && existsSync(dir))
        yield* server[state]
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(isRunning(server.pid()) || existsSync(dir))
        assert.include(yield* failure(ping(server)), "ECONNREFUSED")
      }
    }))

  it.live("is gone with its process, however that ends", () =>
    Effect.gen(function*() {
      const dir = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "redis-"))),
        (dir) => Effect.sync(() => rmSync(dir, { recursive: true }))
      )
      const program = fileURLToPath(new URL("orphan.ts", import.meta.url))
      const pid = yield* Effect.callback<number>((resume) => {
        execFile(process.execPath, [program, dir], (_, stdout) => resume(Effect.succeed(Number(stdout))))
      })
      assert.isAbove(pid, 0)
      yield* eventually(Effect.sync(() => !isRunning(pid)))
    }))

  it.live("answers nothing while it is frozen, and all when it thaws", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      const client = yield* connectTo({ port: server.port })
      yield* server.freeze
      const pong = client.ping()
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Effect.promise(() => pong), 200)))
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(Effect.orDie(ping(server)), 200)))
      yield* server.thaw
      assert.strictEqual(yield* Effect.promise(() => pong), "PONG")
    }))

  it.live("comes back on its port with no data, dead or alive", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make()
      for (const before of [server.kill, Effect.void]) {
        const pid = server.pid()
        yield* server.command("SET", "key", "value")
        yield* before
        yield* server.restart
        assert.isFalse(isRunning(pid))
        assert.strictEqual(yield* server.command("GET", "key"), null)
      }
    }))

  it.live("counts the commands of clients", () =>
    Effect.gen(function*() {
      const { command, commandstats, resetStats } = yield* RedisServer.make()
      yield* command("SET", "key", 1)
      yield* command("GET", "key")
      yield* command("GET", "key")
      assert.deepStrictEqual(yield* commandstats, { set: 1, get: 2 })
      yield* resetStats
      yield* command("GET", "key")
      const { get, set } = yield* commandstats
      assert.deepStrictEqual({ get, set }, { get: 1, set: undefined })
    }))

  it.live("takes the port of its options, and dies if that is not free", () =>
    Effect.gen(function*() {
      const { kill, port } = yield* RedisServer.make()
      const exit = yield* Effect.exit(RedisServer.make({ port }))
      assert.isTrue(Exit.isFailure(exit))
      yield* kill
      assert.strictEqual((yield* RedisServer.make({ port })).port, port)
    }))

  it.live("speaks TLS and nothing else, if it shall", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make({ tls: true })
      assert.strictEqual(server.url, `rediss://127.0.0.1:${server.port}`)
      assert.strictEqual(yield* ping(server), "PONG")

      const client = yield* connectTo({ port: server.port, host: "localhost", tls: { ca: RedisServer.certificate } })
      assert.strictEqual(yield* Effect.promise(() => client.ping()), "PONG")
      const plain = yield* connectTo({ port: server.port })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => plain.ping()))))
      const mistrustful = yield* connectTo({ port: server.port, tls: {} })
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Effect.tryPromise(() => mistrustful.ping()))))
    }))

  it.live("knows the users of its arguments, and those that a command adds", () =>
    Effect.gen(function*() {
      const server = yield* RedisServer.make({ args: ["--user", "reader", "on", ">secret", "~*", "+get"] })
      yield* server.command("ACL", "SETUSER", "writer", "on", ">secret", "~*", "+set")
      const reader = yield* connectTo({ port: server.port, username: "reader", password: "secret" })
      const writer = yield* connectTo({ port: server.port, username: "writer", password: "secret" })

      assert.strictEqual(yield* Effect.promise(() => writer.set("key", "value")), "OK")
      assert.strictEqual(yield* Effect.promise(() => reader.get("key")), "value")
      const { cause } = yield* Effect.flip(Effect.tryPromise(() => reader.set("key", "other")))
      assert.match(String(cause), /NOPERM/)
    }))

  it.live("replicates a master", () =>
    Effect.gen(function*() {
      const master = yield* RedisServer.make()
      const replica = yield* RedisServer.make({ replicaOf: master.port })
      yield* master.command("SET", "key", "value")
      yield* eventually(Effect.map(replica.command("GET", "key"), (value) => value === "value"))
    }))
})
