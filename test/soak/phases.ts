/** The two worlds that are soaked at once: a process on a store of its own, and a fleet on a Redis that breaks. */
import { Effect, Layer, type Scope } from "effect"
import { CircuitBreaker, CircuitStore } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import * as RedisServer from "../support/redis/RedisServer.ts"
import * as TcpProxy from "../support/redis/TcpProxy.ts"
import { Agreement } from "./Agreement.ts"
import { Dependency } from "./Dependency.ts"
import * as dependencyFaults from "./dependencyFaults.ts"
import type { Dice } from "./Dice.ts"
import type { Findings } from "./Findings.ts"
import { caller, listener, operator, type Shift } from "./load.ts"
import * as Member from "./Member.ts"
import { RedisFaults } from "./RedisFaults.ts"
import { policyOf, tenant } from "./targets.ts"

export interface Phase {
  readonly name: string
  readonly members: ReadonlyArray<Member.Member>
  readonly dependency: Dependency
  readonly faults: ReadonlyMap<string, number>
  /** Whether the store works, as all members see it. */
  readonly isHealthy: () => boolean
  /** Brings findings that had to wait to a verdict. */
  readonly judge: () => void
  /** What else is counted while nobody calls. */
  readonly counts: Readonly<Record<string, Effect.Effect<number>>>
}

/** Short, so that between two shifts all circuits are forgotten that nobody looks after. */
export const idleMillis = 1000
const callers = 20

/** So long is the fleet's store left in peace at the beginning of a shift: then nothing is excused. */
const calmMillis = 3000

/** How long a store may take for one operation. A call may have to claim, to wait for the claim of another process, and to report. */
const operationMillis = 100
const waits = 3
const noiseMillis = 100

const work = Effect.fnUntraced(function*(member: Member.Member, shift: Shift, dice: Dice) {
  for (let number = 0; number < callers; number++) {
    yield* Effect.forkScoped(caller(member, shift, dice.named(`${member.name}/${number}`)))
  }
  yield* Effect.forkScoped(operator(member, shift, dice.named(`${member.name}/operator`)))
  yield* Effect.forkScoped(listener(member, shift, dice.named(`${member.name}/listener`)))
})

const troubles = Effect.fnUntraced(function*(name: string, shift: Shift, dice: Dice) {
  const dependency = new Dependency()
  const done = new Map<string, number>()
  yield* Effect.forkScoped(dependencyFaults.run(dependency, shift.open, done, dice.named(`${name}/dependency`)))
  return { dependency, done }
})

export const memory = Effect.fnUntraced(function*(
  findings: Findings,
  shift: Shift,
  dice: Dice
): Effect.fn.Return<Phase, never, Scope.Scope> {
  const { dependency, done } = yield* troubles("memory", shift, dice)
  const member = yield* Member.make({
    name: "memory",
    store: CircuitStore.layerMemoryWith({ idleTimeToLive: idleMillis, maxCircuits: 250 }),
    dependency,
    findings,
    addedMillis: noiseMillis
  })
  yield* work(member, shift, dice)
  return {
    name: "memory",
    members: [member],
    dependency,
    faults: done,
    isHealthy: () => true,
    judge: () => {},
    counts: {}
  }
})

export const redis = Effect.fnUntraced(function*(
  findings: Findings,
  shift: Shift,
  dice: Dice
): Effect.fn.Return<Phase, never, Scope.Scope> {
  const server = yield* RedisServer.make()
  const proxy = yield* TcpProxy.make(server.port)
  const { dependency, done } = yield* troubles("redis", shift, dice)
  const agreement = new Agreement()
  const storeAt = (port: number) =>
    RedisCircuitStore.layer({
      url: `redis://127.0.0.1:${port}`,
      operationTimeout: operationMillis,
      maxStaleness: "500 millis",
      flushInterval: "50 millis",
      lease: "1 second",
      idleTimeToLive: idleMillis
    })
  const process = (name: string, port: number) =>
    Member.make({
      name,
      store: storeAt(port),
      dependency,
      findings,
      agreement,
      addedMillis: waits * operationMillis + noiseMillis
    })
  const members = [yield* process("redis by a proxy", proxy.port), yield* process("redis", server.port)]
  const faults = new RedisFaults(server, proxy, () => members.map(({ recorder }) => recorder))
  yield* Effect.forkScoped(faults.run(shift.open, calmMillis, dice.named("redis/faults")))
  yield* Effect.forkScoped(visitor(storeAt(server.port), shift))
  for (const member of members) yield* work(member, shift, dice)
  return {
    name: "redis",
    members,
    dependency,
    get faults() {
      return new Map([...done, ...faults.done])
    },
    isHealthy: faults.isHealthy,
    judge: () => findings.judge(agreement, faults.disturbed),
    counts: {
      "redis connections": Effect.map(
        Effect.orDie(server.command("CLIENT", "LIST")),
        (list) => String(list).split("\n").filter((line) => line !== "").length
      ),
      // Not DBSIZE, which counts what has expired and was not collected yet.
      "redis keys": Effect.map(
        Effect.orDie(server.command("KEYS", "*")),
        (keys) => Array.isArray(keys) ? keys.length : 0
      )
    }
  }
})

/** A process that starts, calls, and stops: it has to leave nothing behind. */
const visitor = (store: Layer.Layer<CircuitStore.CircuitStore>, shift: Shift) =>
  Effect.forever(Effect.gen(function*() {
    yield* shift.open.await
    const call = Effect.void.pipe(CircuitBreaker.execute({ key: tenant(0) }), Effect.ignore)
    const breaker = Layer.provide(CircuitBreaker.layer(policyOf), Layer.fresh(store))
    yield* Effect.provide(Effect.repeat(call, { times: 10 }), breaker, { local: true })
    yield* Effect.sleep("1 second")
  }))
