/** The connection of this process to Redis: operations, bounded in time, and whether their answers can be relied on. */
import { Cause, Clock, Effect, Fiber, FiberSet, Option } from "effect"
import type { CircuitEvent } from "../../CircuitEvent.ts"
import { circuitMillis, elapsedMillis, wallMillis } from "../../internal/clock/time.ts"
import { Hub } from "../../internal/observers/hub.ts"
import { circuitLua, pulseLua } from "./circuitScript.ts"
import type { Operation } from "./luaOperations.ts"
import { RedisFault, type RedisPort } from "./port.ts"
import { script } from "./script.ts"

const realClock = Clock.Clock.defaultValue()

export interface Settings {
  readonly prefix: string
  readonly operationMillis: number
  readonly maxStalenessMillis: number
  readonly flushMillis: number
  readonly leaseMillis: number
  readonly idleMillis: number
}

type Fork = <A, E>(self: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

export class Authority {
  readonly settings: Settings
  /** Real time, whatever clock the calling fiber has, because Redis knows no other. */
  readonly clock: Clock.Clock = realClock
  readonly hub = new Hub(realClock)
  /** Identifies this process in the probes and messages that it writes. */
  readonly owner = crypto.randomUUID().replaceAll("-", "")
  /** Runs an effect in the background, until the store's scope closes. */
  readonly fork: Fork
  /** Whether every circuit of this process decides by itself, because Redis does not answer. */
  degraded = true
  /** Rises when messages may have been missed: what a circuit read in an earlier epoch may be out of date. */
  epoch = 0
  private readonly port: RedisPort
  private readonly circuitScript = script(circuitLua)
  private readonly pulseScript = script(pulseLua)
  /** Whether every message arrives. */
  private subscribed = false
  /** Whether any circuit was used, so that observers care about trouble. */
  private used = false
  /** What was announced of the present trouble. */
  private announced: CircuitEvent | undefined
  private trouble: { readonly at: number; readonly operation: string; readonly error: string } | undefined
  /** The circuit whose operation failed last. The pulse tries its key, because other keys may be on healthy nodes. */
  private suspect = ""

  constructor(port: RedisPort, settings: Settings, fork: Fork) {
    this.port = port
    this.settings = settings
    this.fork = fork
    this.hub.lasting.add((observer) => {
      if (this.announced !== undefined) this.hub.deliver(observer, this.announced)
    })
  }

  static readonly make = Effect.fnUntraced(function*(port: RedisPort, settings: Settings) {
    const run = yield* FiberSet.makeRuntime()
    const authority = new Authority(port, settings, (self) => {
      const timed = Effect.provideService(self, Clock.Clock, realClock)
      // With the caller's context, because events that come of this work belong to the caller's span.
      const caller = Fiber.getCurrent()
      return run(caller === undefined ? timed : Effect.provideContext(timed, caller.context))
    })
    // A call may end after the store's scope has closed: its circuit then decides by itself.
    yield* Effect.addFinalizer(() => Effect.sync(() => authority.degraded = true))
    return authority
  })

  /** The time between two pulses. */
  get beatMillis(): number {
    return Math.min(this.settings.maxStalenessMillis / 2, this.settings.leaseMillis / 3)
  }

  now(): number {
    return circuitMillis(this.clock)
  }

  /** The channels of transitions, and of this process's own pulse. */
  get channels(): readonly [transitions: string, pulse: string] {
    const prefix = `${this.port.keyPrefix}${this.settings.prefix}`
    return [`${prefix}:transitions`, `${prefix}:pulse:${this.owner}`]
  }

  /** Runs one operation on the circuit of an id. `known` is the latest generation that this process got from Redis. */
  operate(
    operation: Operation,
    id: string,
    known: number,
    policy: string,
    args: ReadonlyArray<string | number>
  ): Effect.Effect<unknown, RedisFault> {
    const { idleMillis, prefix } = this.settings
    const common = [operation, "", String(known), id, this.channels[0], String(idleMillis), policy, this.owner]
    return this.port.run(this.circuitScript, `${prefix}:{${id}}`, [...common, ...args.map(String)])
  }

  /** Gives up after `operationTimeout`, because a call may be waiting, and reports to observers how long it took. */
  within<A>(operation: string, self: Effect.Effect<A, RedisFault>): Effect.Effect<A, RedisFault> {
    const limited = Effect.raceFirst(self, deadline(this.settings.operationMillis))
    return Effect.suspend(() => {
      if (!this.hub.wants("onStoreOperation")) return limited
      const startedAt = elapsedMillis(this.clock)
      return Effect.onExitPrimitive(limited, (exit) => {
        const fault = exit._tag === "Success" ? undefined : Option.getOrUndefined(Cause.findErrorOption(exit.cause))
        if (exit._tag === "Failure" && fault === undefined) return
        const durationMillis = elapsedMillis(this.clock) - startedAt
        this.hub.callAll((observer) => observer.onStoreOperation?.(operation, durationMillis, fault?.code))
      })
    })
  }

  /** Writes a key on the node of the suspect, and publishes to this process's own channel. */
  pulse(beat: number): Effect.Effect<unknown, RedisFault> {
    const { maxStalenessMillis, prefix } = this.settings
    const args = [String(beat), this.channels[1], String(Math.max(1000, 4 * maxStalenessMillis))]
    return this.within("pulse", this.port.run(this.pulseScript, `${prefix}:{${this.suspect}}:pulse`, args))
  }

  /** An operation failed: from now on every circuit of this process decides by itself. */
  degrade(operation: string, { code }: RedisFault, id = this.suspect): void {
    this.suspect = id
    this.degraded = true
    // Until a pulse arrives again, because a Redis that does not answer may not publish either.
    this.subscribed = false
    this.troubled(operation, code)
  }

  /** Redis answers again, and every circuit that moved here meanwhile is merged into it. */
  recover(): void {
    this.degraded = false
    this.suspect = ""
    this.epoch++
    this.restored()
  }

  /** Messages may have been missed: each circuit reads its record before it decides again. */
  subscriptionLost(code: string): void {
    this.subscribed = false
    this.epoch++
    this.troubled("subscribe", code)
  }

  /** From now on every message arrives. */
  subscriptionWorks(): void {
    if (this.subscribed) return
    this.subscribed = true
    this.epoch++
    this.restored()
  }

  /** Whether Redis answers and every message arrives. */
  get reliable(): boolean {
    return !this.degraded && this.subscribed
  }

  /** What is wrong, as a code of `store.degraded`, or nothing. */
  get fault(): string | undefined {
    return this.trouble?.error ?? (this.reliable ? undefined : timedOut.code)
  }

  /** A circuit is used for the first time: observers get the trouble that was there before. */
  use(): void {
    if (this.used) return
    this.used = true
    this.announceTrouble()
  }

  private troubled(operation: string, error: string): void {
    // As long as no observer has the trouble, one that says more replaces it.
    if (this.trouble !== undefined && (this.used || weightOf(error) <= weightOf(this.trouble.error))) return
    this.trouble = { at: this.now(), operation, error }
    if (this.used) this.announceTrouble()
  }

  private announceTrouble(): void {
    if (this.trouble === undefined) return
    const { error, operation } = this.trouble
    const event: CircuitEvent = { event: "store.degraded", at: wallMillis(this.clock), operation, error }
    this.announced = event
    this.hub.announce(event)
  }

  private restored(): void {
    if (this.trouble === undefined || !this.reliable) return
    const { at } = this.trouble
    this.trouble = undefined
    this.announced = undefined
    if (!this.used || !this.hub.listening) return
    this.hub.announce({ event: "store.recovered", at: wallMillis(this.clock), degraded_ms: this.now() - at })
  }
}

// How much an error says: words of the server most, that it cannot be reached less, and its silence least.
const weightOf = (error: string) => error === "SILENT" ? 0 : error === "CONNECTION" || error === "TIMEOUT" ? 1 : 2

const timedOut = new RedisFault({ code: "TIMEOUT" })

// After one more turn of the event loop, because a process that was busy until the deadline has yet to read the answer.
const deadline = (millis: number): Effect.Effect<never, RedisFault> =>
  Effect.callback((resume) => {
    let turn: NodeJS.Immediate | undefined
    const timer = setTimeout(() => {
      turn = setImmediate(() => resume(Effect.fail(timedOut)))
    }, millis)
    return Effect.sync(() => {
      clearTimeout(timer)
      clearImmediate(turn)
    })
  })
