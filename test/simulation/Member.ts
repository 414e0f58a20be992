/** A process of a simulated fleet: the real layers, on a connection and on clocks of its own. */
import { type Clock, Clock as clocks, Context, Effect, Exit, type Fiber, Layer, Stream } from "effect"
import {
  CircuitBreaker,
  CircuitError,
  type CircuitEvent,
  type CircuitState,
  Evidence,
  Outcome,
  RecordStore,
  SharedCircuitStore,
  StreamSignal
} from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import { CurrentProbe } from "../../src/internal/call/probing.ts"
import type { Dice } from "../soak/Dice.ts"
import { Broken } from "./Broken.ts"
import { type Fault, type Order, policyOf, type ProcessPlan, type Says } from "./plan.ts"
import type { VirtualTime } from "./VirtualTime.ts"

/** A call on its way, and what it came to. */
export interface Call {
  readonly member: Member
  readonly key: string
  readonly says: Says
  readonly startedAt: number
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** When it was let through, and when it had its own result. */
  ranAt: number | undefined
  ranUntil: number | undefined
  endedAt: number | undefined
  /** The generation whose probe it is, if it is one. */
  probeOf: number | undefined
  isInterrupted: boolean
}

/** What a simulation hears of its processes. */
export interface Witness {
  readonly onEvent: (member: Member, event: CircuitEvent.CircuitEvent) => void
  readonly onRun: (call: Call) => void
  readonly onEnd: (call: Call, outcome: Outcome.Outcome | undefined) => void
  readonly onOrder: (key: string, order: Order, waitedMillis: number) => void
  readonly fail: (broken: Broken) => void
}

export const operationMillis = 100
export const leaseMillis = 3_000

const outcomes: { readonly [S in Says]: Outcome.Outcome } = {
  success: Outcome.success,
  overloaded: Outcome.failure("overloaded"),
  server_error: Outcome.failure("server_error"),
  connection: Outcome.failure("connection", 900),
  ignored: Outcome.ignored("invalid_request"),
  throttled: Outcome.throttled(500),
  open_now: Outcome.openNow("quota_exhausted"),
  poison: Outcome.failure("server_error")
}

const poison = Evidence.make({ request: "poison" })

export class Member {
  readonly index: number
  readonly plan: ProcessPlan
  readonly calls = new Set<Call>()
  /** The keys that this process has called, so that it has a circuit for them. */
  readonly used = new Set<string>()
  isUp = false
  isGone = false
  isDegraded = false
  private readonly faults = { ...SimulatedRecordStore.noFaults(), doublesChange: false }
  private readonly time: VirtualTime
  private readonly witness: Witness
  private readonly context: Context.Context<never>
  private readonly fiber: Fiber.Fiber<unknown, unknown>
  private breaker!: CircuitBreaker.CircuitBreaker["Service"]

  constructor(
    index: number,
    plan: ProcessPlan,
    server: SimulatedRecordStore.SimulatedRecordStore,
    serverClock: Clock.Clock,
    time: VirtualTime,
    witness: Witness,
    wrap: (store: RecordStore.RecordStore["Service"]) => RecordStore.RecordStore["Service"] = (store) => store
  ) {
    this.index = index
    this.plan = plan
    this.time = time
    this.witness = witness
    this.context = time.context(plan.ageMillis, plan.wallMillis)
    const timed = <A, E>(self: Effect.Effect<A, E>) => Effect.provideService(self, clocks.Clock, serverClock)
    const records = Layer.effect(
      RecordStore.RecordStore,
      Effect.map(RecordStore.RecordStore, (store) =>
        wrap({
          ...store,
          read: (ids) => timed(store.read(ids)),
          update: (id, update) => timed(store.update(id, update)),
          beat: (process, beat, leaseMillis) => timed(store.beat(process, beat, leaseMillis)),
          changes: (onListening) =>
            Stream.flatMap(
              store.changes(onListening),
              (change) => this.faults.doublesChange ? Stream.make(change, change) : Stream.succeed(change)
            )
        }))
    ).pipe(Layer.provide(server.connection(this.faults)))
    const layer = CircuitBreaker.layer(policyOf(plan)).pipe(
      Layer.provide(SharedCircuitStore.layer({ operationTimeout: operationMillis, lease: leaseMillis })),
      Layer.provide(records)
    )
    const live = Effect.gen({ self: this }, function*() {
      this.breaker = Context.get(yield* Layer.build(layer), CircuitBreaker.CircuitBreaker)
      yield* this.breaker.observe({ name: "witness", onEvent: (event) => this.hear(event) })
      this.isUp = true
      return yield* Effect.never
    })
    this.fiber = this.run(Effect.scoped(live))
  }

  private hear(event: CircuitEvent.CircuitEvent): void {
    if (this.isGone) return
    if (event.event === "store.degraded") this.isDegraded = true
    if (event.event === "store.recovered") this.isDegraded = false
    this.witness.onEvent(this, event)
  }

  private run<A, E>(self: Effect.Effect<A, E>): Fiber.Fiber<A, E> {
    return Effect.runForkWith(this.context)(self)
  }

  call(key: string, says: Says, millis: number, streams: boolean): Call {
    const { time, witness } = this
    const outcome = outcomes[says]
    const value = {}
    const error = { says }
    this.used.add(key)
    const body = Effect.withFiber<object, object>((fiber) => {
      call.ranAt = time.now
      call.probeOf = fiber.getRef(CurrentProbe)?.generation
      witness.onRun(call)
      const end = Effect.suspend(() => outcome._tag === "Success" ? Effect.succeed(value) : Effect.fail(error))
      return Effect.andThen(Effect.sleep(millis), end).pipe(Effect.onExit(() =>
        Effect.sync(() => {
          call.ranUntil = time.now
        })
      ))
    })
    const classify = (exit: Exit.Exit<unknown, unknown>) => Exit.isSuccess(exit) ? Outcome.success : outcome
    const evidence = says === "poison" ? poison : undefined
    const self: Effect.Effect<unknown, unknown> = streams
      ? Stream.runLast(
        this.breaker.stream(Stream.fromEffect(body), { key, classify, evidence, classifyPart: StreamSignal.opaque })
      )
      : this.breaker.execute(body, { key, classify, evidence })
    const call: Call = {
      member: this,
      key,
      says,
      startedAt: time.now,
      fiber: undefined as never,
      ranAt: undefined,
      ranUntil: undefined,
      endedAt: undefined,
      probeOf: undefined,
      isInterrupted: false
    }
    this.calls.add(call)
    const fiber = this.run(self)
    Object.assign(call, { fiber })
    fiber.addObserver((exit) => {
      call.endedAt = time.now
      this.calls.delete(call)
      if (this.isGone) return
      this.judge(call, exit, value, error, streams)
      witness.onEnd(call, call.ranAt === undefined || call.isInterrupted ? undefined : outcome)
    })
    return call
  }

  private judge(call: Call, exit: Exit.Exit<unknown, unknown>, value: object, error: object, streams: boolean): void {
    const own = "a call keeps its own result"
    const { ranAt, ranUntil, startedAt, endedAt } = call
    if (call.isInterrupted) return
    const before = (ranAt ?? endedAt!) - startedAt
    const after = ranUntil === undefined ? 0 : endedAt! - ranUntil
    if (Math.max(before, after) > operationMillis) {
      this.witness.fail(
        new Broken(
          "no call waits longer than operationTimeout",
          `${before} ms before it ran, ${after} ms after it had ended`
        )
      )
    }
    if (Exit.isSuccess(exit)) {
      const got = streams ? (exit.value as { readonly value?: unknown }).value : exit.value
      if (got !== value || ranAt === undefined) this.witness.fail(new Broken(own, `a success of another call`))
      return
    }
    const found = exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
    if (CircuitError.isCircuitBreakerError(found) ? ranAt !== undefined : found !== error) {
      this.witness.fail(new Broken(own, `${call.says} became ${String(exit.cause)}`))
    }
  }

  interrupt(call: Call): void {
    call.isInterrupted = true
    call.fiber.interruptUnsafe()
  }

  order(key: string, order: Order, millis: number): void {
    const options = order === "force" && millis > 0 ? { for: millis } : undefined
    const { breaker, time } = this
    const startedAt = time.now
    this.used.add(key)
    const self = order === "force" ? breaker.forceOpen(key, options) : breaker[order](key)
    this.run(self).addObserver(() => {
      if (!this.isGone) this.witness.onOrder(key, order, time.now - startedAt)
    })
  }

  view(key: string): CircuitState.CircuitState {
    let state: CircuitState.CircuitState | undefined
    this.run(Effect.map(this.breaker.view(key), (view) => {
      state = view.state
    }))
    return state!
  }

  fault(fault: Fault, value: number, dice: Dice): void {
    const { faults } = this
    switch (fault) {
      case "latency":
        faults.latencyMillis = () => dice.between(0, value)
        break
      case "losesAnswer":
        faults.losesAnswer = () => dice.chance(1 / value)
        break
      case "losesChange":
        faults.losesChange = () => dice.chance(1 / value)
        break
      case "lateChange":
        faults.changeMillis = () => dice.between(0, value)
        break
      case "doublesChange":
        faults.doublesChange = true
        break
      case "away":
        faults.isDown = true
    }
  }

  heal(): void {
    Object.assign(this.faults, SimulatedRecordStore.noFaults(), { doublesChange: false })
  }

  /** Ends. Of a process that is killed nothing arrives that it would still say. */
  leave(isKilled: boolean): void {
    this.faults.isDown ||= isKilled
    this.isGone = true
    for (const { fiber } of this.calls) fiber.interruptUnsafe()
    this.calls.clear()
    this.fiber.interruptUnsafe()
  }
}
