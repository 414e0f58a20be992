/**
 * One process of a fleet: the real guard on the real circuits of the Redis store, through a port whose other end is the
 * walk. This class stands for `call` of `breaker.ts`, for `make` of `RedisCircuitStore.ts`, and for what `Heartbeat`
 * does with a sound store.
 */
import { Clock, Effect, Exit, type Fiber } from "effect"
import { type Circuit, Outcome } from "effect-resilience"
import { noted } from "../../../src/internal/call/blocked.ts"
import { guard } from "../../../src/internal/call/guard.ts"
import { Initial } from "../../../src/internal/circuit/initial.ts"
import { Registry } from "../../../src/internal/circuit/registry.ts"
import { UnguardedCircuit } from "../../../src/internal/circuit/unguardedCircuit.ts"
import type { CompiledPolicy } from "../../../src/internal/options/compiledPolicy.ts"
import { Heartbeat } from "../../../src/redis/internal/heartbeat.ts"
import { readMessage } from "../../../src/redis/internal/record.ts"
import { RedisCircuit } from "../../../src/redis/internal/redisCircuit.ts"
import type { Told } from "../history.ts"
import { transitionsOf } from "../transitionsOf.ts"
import type { HandAuthority, Request } from "./HandAuthority.ts"
import { type Message, writeMessage, writeReply } from "./record.ts"
import type { Served } from "./Server.ts"
import { WatchedCircuit } from "./WatchedCircuit.ts"

/** An answer on its way back. */
export interface Answer {
  readonly args: Request["args"]
  readonly served: Served
  readonly moved: boolean
  readonly answer: Request["answer"]
}

/** A call of a user. Without a permit it still waits for one. */
export interface Call {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly permit: Circuit.Permit | undefined
  readonly end: (outcome: Outcome.Outcome) => void
}

/** How circuits are made: the library's own, or broken on purpose. */
export type MakeCircuit = (...args: ConstructorParameters<typeof RedisCircuit>) => RedisCircuit

const key = "key"

export class Process {
  readonly name: string
  readonly policy: CompiledPolicy
  readonly authority: HandAuthority
  readonly registry: Registry<RedisCircuit>
  readonly requests: Array<Request> = []
  readonly answers: Array<Answer> = []
  readonly messages: Array<Message> = []
  calls: ReadonlyArray<Call> = []
  private readonly heartbeat: Heartbeat
  private readonly told: Array<Told> = []
  private readonly now: () => number

  constructor(
    name: string,
    policy: CompiledPolicy,
    authority: HandAuthority,
    now: () => number,
    make: MakeCircuit = (...args) => new RedisCircuit(...args)
  ) {
    this.name = name
    this.policy = policy
    this.authority = authority
    this.now = now
    const { requests, told } = this
    authority.holder = {
      get now() {
        return now()
      },
      send: (request) => requests.push(request),
      hear: (event) => told.push(...transitionsOf(name, [event]))
    }
    this.heartbeat = new Heartbeat(authority, authority.handPort, () => this.registry.values(), () => {})
    // From before anything that the server counts from now on.
    const initial = new Initial(now() * 1000 - 1)
    this.registry = new Registry<RedisCircuit>(
      {
        make: (key, policy) => make(key, policy, this.authority, this.heartbeat, initial, true),
        unguarded: (key, policy) => new UnguardedCircuit(key, policy, authority.hub, initial.circuit, initial.pass),
        dropped: (circuit) => initial.outlive(circuit)
      },
      authority.hub,
      { idleMillis: authority.settings.idleMillis, maxCircuits: 1 }
    )
  }

  get circuit(): RedisCircuit | undefined {
    return this.registry.peek(key)
  }

  /** What was told since this was asked last. */
  get news(): ReadonlyArray<Told> {
    return this.told.splice(0)
  }

  /** Begins a call, as `breaker.ts` does. It runs until the walk ends it. */
  call(): void {
    const { authority: { clock, hub }, policy } = this
    const now = this.now()
    const circuit = this.registry.keep(key, policy, clock, now)
    const watched = new WatchedCircuit(circuit)
    let resume: ((outcome: Effect.Effect<Outcome.Outcome>) => void) | undefined
    const self = Effect.callback<Outcome.Outcome>((ended) => {
      resume = ended
    })
    const guarded = Effect.withFiber((fiber) =>
      guard(self, {
        circuit: watched,
        policy,
        classify: (exit) => Exit.isSuccess(exit) ? exit.value as Outcome.Outcome : Outcome.failure("unknown"),
        hub,
        clock,
        startedAt: now,
        span: undefined,
        noted: noted(),
        evidence: undefined,
        token: self,
        fiber
      })
    )
    const fiber = Effect.runFork(Effect.provideService(guarded, Clock.Clock, clock))
    const call: Call = {
      fiber,
      get permit() {
        return resume === undefined ? undefined : watched.permit
      },
      end: (outcome) => resume?.(Effect.succeed(outcome))
    }
    if (fiber.pollUnsafe() !== undefined) return
    this.calls = [...this.calls, call]
    fiber.addObserver(() => this.over(call))
  }

  end(call: Call, outcome: Outcome.Outcome): void {
    this.over(call)
    call.end(outcome)
  }

  interrupt(call: Call): void {
    this.over(call)
    call.fiber.interruptUnsafe()
  }

  private over(call: Call): void {
    this.calls = this.calls.filter((one) => one !== call)
  }

  /** An operator steers, as `breaker.ts` lets him. */
  steer(order: "force" | "reset" | "disable" | "enable", millis?: number | undefined): void {
    const { clock } = this.authority
    const circuit = this.registry.use(key, this.policy, clock, this.now())
    Effect.runFork(order === "force" ? circuit.forceOpen(millis, {}) : circuit[order]({}))
  }

  /** Hands over the oldest answer. */
  receive(): Answer {
    const answer = this.answers.shift()!
    answer.answer(Effect.succeed(writeReply(answer.served.reply)))
    return answer
  }

  /** Hears a message, as `make` of `RedisCircuitStore.ts` does. */
  hear(message: Message): void {
    const heard = readMessage(writeMessage(message), this.now())
    if (heard !== undefined && heard.owner !== this.authority.owner) this.circuit?.learn(heard.read)
  }

  /** Renews leases, looks again at what is old, and gives back what was lost. */
  beat(): void {
    const tend = this.circuit?.tend
    if (tend !== undefined) Effect.runFork(tend)
  }
}
