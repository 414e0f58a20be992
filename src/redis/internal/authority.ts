/** The store at the other end: operations on it, bounded in time, and whether it can be relied on. */
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
  /** Redis lives in real time, whatever clock the calling fiber has. */
  readonly clock: Clock.Clock = realClock
  readonly hub = new Hub(realClock)
  /** Tells the probes and the messages of this process from those of others. */
  readonly owner = crypto.randomUUID().replaceAll("-", "")
  /** Runs in the background, until the store's scope closes. */
  readonly fork: Fork
  /** Whether this process decides for itself, because the store does not answer. */
  alone = true
  /** A view from an earlier epoch may have missed a message. */
  epoch = 0
  private readonly port: RedisPort
  private readonly circuitScript = script(circuitLua)
  private readonly pulseScript = script(pulseLua)
  private hearing = false
  private used = false
  /** What was announced of the present trouble. */
  private announced: CircuitEvent | undefined
  private trouble: { readonly at: number; readonly operation: string; readonly error: string } | undefined
  /** The circuit whose operation failed last: when the store works again for its key, it works. */
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
      // What is told of a call carries what identifies it, also when it is told later.
      const caller = Fiber.getCurrent()
      return run(caller === undefined ? timed : Effect.provideContext(timed, caller.context))
    })
    // Calls that outlive the store are on their own.
    yield* Effect.addFinalizer(() => Effect.sync(() => authority.alone = true))
    return authority
  })

  /** How often the heart beats. */
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

  /** One operation on the circuit of an id. `known` is the latest generation this process had from the store. */
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

  /** Gives up what takes longer than a call may lose by it, and tells how long it took. */
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

  /** Writes beside the suspect and calls this process on its own channel. */
  pulse(beat: number): Effect.Effect<unknown, RedisFault> {
    const { maxStalenessMillis, prefix } = this.settings
    const args = [String(beat), this.channels[1], String(Math.max(1000, 4 * maxStalenessMillis))]
    return this.within("pulse", this.port.run(this.pulseScript, `${prefix}:{${this.suspect}}:pulse`, args))
  }

  /** An operation did not happen: from now on every circuit of this process decides for itself. */
  lost(operation: string, { code }: RedisFault, id = this.suspect): void {
    this.suspect = id
    this.alone = true
    // What it did not do it may not have pushed either.
    this.hearing = false
    this.troubled(operation, code)
  }

  /** The store answers again, and knows all that happened here meanwhile. */
  found(): void {
    this.alone = false
    this.suspect = ""
    this.epoch++
    this.restored()
  }

  /** Messages may have been missed: views hold until the next look, not longer. */
  deaf(code: string): void {
    this.hearing = false
    this.epoch++
    this.troubled("subscribe", code)
  }

  /** From now on no message is missed. */
  hears(): void {
    if (this.hearing) return
    this.hearing = true
    this.epoch++
    this.restored()
  }

  get sound(): boolean {
    return !this.alone && this.hearing
  }

  /** What is wrong, if anything is: a code as in `store.degraded`. */
  get fault(): string | undefined {
    return this.trouble?.error ?? (this.sound ? undefined : timedOut.code)
  }

  /** Somebody uses a circuit, so somebody can hear what was wrong before. */
  use(): void {
    if (this.used) return
    this.used = true
    this.tellTrouble()
  }

  private troubled(operation: string, error: string): void {
    // Before somebody hears of it, a better reason takes the place of a worse one.
    if (this.trouble !== undefined && (this.used || weightOf(error) <= weightOf(this.trouble.error))) return
    this.trouble = { at: this.now(), operation, error }
    if (this.used) this.tellTrouble()
  }

  private tellTrouble(): void {
    if (this.trouble === undefined) return
    const { error, operation } = this.trouble
    const event: CircuitEvent = { event: "store.degraded", at: wallMillis(this.clock), operation, error }
    this.announced = event
    this.hub.announce(event)
  }

  private restored(): void {
    if (this.trouble === undefined || !this.sound) return
    const { at } = this.trouble
    this.trouble = undefined
    this.announced = undefined
    if (!this.used || !this.hub.listening) return
    this.hub.announce({ event: "store.recovered", at: wallMillis(this.clock), degraded_ms: this.now() - at })
  }
}

// What the server says tells more than that it cannot be reached, and that more than its silence.
const weightOf = (error: string) => error === "SILENT" ? 0 : error === "CONNECTION" || error === "TIMEOUT" ? 1 : 2

const timedOut = new RedisFault({ code: "TIMEOUT" })

// A process that was busy for longer than the deadline finds the answer waiting: one turn of the event loop reads it.
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
