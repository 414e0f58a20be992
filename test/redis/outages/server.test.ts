import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as RedisServer from "../../support/redis/RedisServer.ts"
import { assertOneOutage, down, memberAt, settings, tells, up } from "./faults.ts"
import { assertHarmless, type Fault } from "./outage.ts"

type Faulty = (server: RedisServer.RedisServer) => Fault

const processes: ReadonlyArray<readonly [name: string, Faulty]> = [
  ["freezes", ({ freeze, thaw }) => ({ strikes: freeze, ends: thaw, codes: ["TIMEOUT"] })],
  // Until the clients leave it, and cannot come back.
  ["freezes for long", ({ freeze, thaw }) => ({ strikes: freeze, ends: thaw, codes: ["TIMEOUT"], lasts: 6000 })],
  ["is killed, and comes back empty", ({ kill, restart }) => ({ strikes: kill, ends: restart, codes: ["CONNECTION"] })]
]

const refusals: ReadonlyArray<readonly [name: string, Faulty]> = [
  ["is a replica after a failover", ({ command }) => ({
    strikes: command("REPLICAOF", "127.0.0.1", 1),
    ends: command("REPLICAOF", "NO", "ONE"),
    codes: ["READONLY"]
  })],
  ["has no memory left", ({ command }) => ({
    strikes: command("CONFIG", "SET", "maxmemory", 1),
    ends: command("CONFIG", "SET", "maxmemory", 0),
    codes: ["OOM"]
  })],
  // So does a Cluster of which one node is gone.
  ["refuses all keys but that of the pulse", ({ command }) => ({
    strikes: command("ACL", "SETUSER", "default", "resetkeys", "~effect-resilience:processes"),
    ends: command("ACL", "SETUSER", "default", "~*"),
    codes: ["NOPERM"]
  })]
]

// The rights of the user who may do everything, less some.
const denials: ReadonlyArray<
  readonly [name: string, less: ReadonlyArray<string>, restored: ReadonlyArray<string>, codes: Fault["codes"]]
> = [
  ["scripts", ["-@scripting"], ["+@scripting"], ["NOPERM"]],
  ["the keys", ["resetkeys", "~other:*"], ["~*"], ["NOPERM"]],
  ["the channels", ["resetchannels"], ["&*"], ["NOPERM", "CONNECTION"]],
  ["everything", ["-@all"], ["+@all"], ["NOPERM"]]
]

const outage = (faulty: Faulty, url: (server: RedisServer.RedisServer) => string) =>
  Effect.gen(function*() {
    const server = yield* RedisServer.make()
    yield* server.command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all")
    const members = [yield* memberAt(url(server)), yield* memberAt(url(server))] as const
    yield* assertHarmless(members, faulty(server))
  })

const asApp = ({ url }: RedisServer.RedisServer) => url.replace("//", "//app:secret@")

describe.concurrent("I116, I117, I118, I119, I120: a server that", () => {
  it.live.each([...processes, ...refusals])(
    "%s, is no outage of the breaker",
    ([, faulty]) => outage(faulty, ({ url }) => url)
  )
})

describe.concurrent("a server that answers, and", () => {
  it.live.each(refusals)(
    "%s, does not pass for healthy, even if nobody has anything to tell it",
    ([, faulty]) =>
      Effect.gen(function*() {
        const server = yield* RedisServer.make()
        const { codes, ends, strikes } = faulty(server)
        const one = yield* memberAt(server.port)
        yield* up(one, "key")
        yield* strikes
        for (let round = 0; round < 4; round++) {
          assert.strictEqual(yield* down(one, "key"), "503")
          yield* up(one, "key")
          yield* Effect.sleep(settings.maxStaleness / 2)
        }
        assert.notInclude(yield* one.recorded.names, "store.recovered")
        yield* ends
        yield* tells(one, "store.recovered")
        yield* assertOneOutage(one, codes)
      })
  )
})

describe.concurrent("a server that denies its user", () => {
  it.live.each(denials)("%s, is no outage of the breaker", ([, less, restored, codes]) =>
    outage(({ command }) => ({
      strikes: command("ACL", "SETUSER", "app", ...less),
      ends: command("ACL", "SETUSER", "app", ...restored),
      codes
    }), asApp))

  it.live("its login, is no outage of the breaker", () =>
    outage(({ command }) => ({
      strikes: command("ACL", "DELUSER", "app"),
      ends: command("ACL", "SETUSER", "app", "on", ">secret", "~*", "&*", "+@all"),
      codes: ["CONNECTION", "WRONGPASS"]
    }), asApp))
})
