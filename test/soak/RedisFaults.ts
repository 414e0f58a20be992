/** What goes wrong with a Redis while processes rely on it, one fault after the other. */
import { Effect, type Latch } from "effect"
import type { RedisServer } from "../support/redis/RedisServer.ts"
import type { TcpProxy } from "../support/redis/TcpProxy.ts"
import type { Dice } from "./Dice.ts"
import type { Recorder } from "./Recorder.ts"

interface Fault {
  readonly begin: Effect.Effect<unknown, unknown>
  readonly end: Effect.Effect<unknown, unknown>
}

const nothing: Effect.Effect<void> = Effect.void

const faults = (server: RedisServer, proxy: TcpProxy, dice: Dice) => {
  const { command } = server
  return {
    "frozen": { begin: server.freeze, end: server.thaw },
    "CLIENT PAUSE": { begin: command("CLIENT", "PAUSE", dice.between(200, 800)), end: command("CLIENT", "UNPAUSE") },
    "killed": { begin: server.kill, end: server.restart },
    "restarted": { begin: server.restart, end: nothing },
    "FLUSHALL": { begin: command("FLUSHALL"), end: nothing },
    "SCRIPT FLUSH": { begin: command("SCRIPT", "FLUSH"), end: nothing },
    "clients killed": { begin: command("CLIENT", "KILL", "TYPE", "normal"), end: nothing },
    "subscribers killed": { begin: command("CLIENT", "KILL", "TYPE", "pubsub"), end: nothing },
    "all replies late": { begin: proxy.delay(dice.between(10, 60)), end: proxy.restore },
    "all replies too late": { begin: proxy.delay(dice.between(150, 400)), end: proxy.restore },
    "connections cut": { begin: proxy.cut, end: nothing },
    "cut within a reply": { begin: proxy.cutMidReply, end: proxy.restore },
    "refused": { begin: proxy.refuse, end: proxy.restore },
    "silent": { begin: proxy.silence, end: proxy.restore },
    "no replicas": {
      begin: command("CONFIG", "SET", "min-replicas-to-write", "1"),
      end: command("CONFIG", "SET", "min-replicas-to-write", "0")
    },
    "out of memory": {
      begin: command("CONFIG", "SET", "maxmemory", "1"),
      end: command("CONFIG", "SET", "maxmemory", "0")
    }
  } satisfies Record<string, Fault>
}

/** Breaks it again and again, from a while after the shift began, and mends it however it ends. */
export class RedisFaults {
  /** How often each was done. */
  readonly done = new Map<string, number>()
  private broken = false
  private mendedAt = 0
  private readonly server: RedisServer
  private readonly proxy: TcpProxy
  private readonly recorders: () => ReadonlyArray<Recorder>

  constructor(server: RedisServer, proxy: TcpProxy, recorders: () => ReadonlyArray<Recorder>) {
    this.server = server
    this.proxy = proxy
    this.recorders = recorders
  }

  /** Whether all is mended, and known to be. */
  readonly isHealthy = (): boolean => !this.broken && this.recorders().every(({ degraded }) => !degraded)

  /** Whether the store was broken at a time of late, or not yet itself again, or seemed so to a process. */
  readonly disturbed = (at: number): boolean => {
    const healthySince = Math.max(this.mendedAt, ...this.recorders().map(({ recoveredAt }) => recoveredAt))
    return !this.isHealthy() || at < healthySince + afterPainsMillis
  }

  run(open: Latch.Latch, calmMillis: number, dice: Dice): Effect.Effect<never> {
    const { proxy, server } = this
    const once = Effect.gen({ self: this }, function*() {
      const all = faults(server, proxy, dice)
      const name = dice.pick(Object.keys(all) as ReadonlyArray<keyof typeof all>)
      const { begin, end }: Fault = all[name]
      this.done.set(name, (this.done.get(name) ?? 0) + 1)
      this.broken = true
      yield* Effect.ignore(begin)
      yield* Effect.sleep(dice.between(100, 1200))
      yield* Effect.ignore(end)
      this.broken = false
      this.mendedAt = performance.now()
      yield* Effect.sleep(dice.between(100, 1500))
    }).pipe(Effect.uninterruptible)
    return Effect.forever(Effect.gen(function*() {
      yield* open.await
      yield* Effect.sleep(calmMillis)
      while (open.isOpen()) yield* once
    }))
  }
}

/** How long a process may still find out what it missed. */
const afterPainsMillis = 1500
