/** The record store as one process sees it: operations, bounded in time, and whether their answers can be relied on. */
import { Cause, Clock, Deferred, Effect, Fiber, FiberSet, Option, Result } from "effect"
import { type Reading, type RecordStore, StoreFault, type Update, type Updated } from "../../RecordStore.ts"
import { circuitMillis, elapsedMillis } from "../clock/time.ts"
import { Hub } from "../observers/hub.ts"
import { Part } from "./part.ts"
import { Trouble } from "./trouble.ts"

export interface Settings {
  readonly operationMillis: number
  readonly maxStalenessMillis: number
  readonly flushMillis: number
  readonly leaseMillis: number
  readonly idleMillis: number
}

type Fork = <A, E>(self: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

export class Authority {
  readonly settings: Settings
  readonly store: RecordStore["Service"]
  /** The clock of the store's scope, whatever the calling fiber has, because the store has one time for all. */
  readonly clock: Clock.Clock
  readonly hub: Hub
  /** Identifies this process in the probes and updates that it writes. */
  readonly process = crypto.randomUUID().replaceAll("-", "")
  /** Runs an effect in the background, until the store's scope closes. */
  readonly fork: Fork
  /** Whether every announced change arrives, and whether it is known that they do not. */
  private subscribed = false
  private missesChanges = false
  /** Rises when changes may have been missed: what a circuit read in an earlier epoch may be out of date. */
  epoch = 0
  /** Called when circuits may decide that could not, or the other way round. */
  refreshAll: () => void = () => {}
  /** Whether the store's scope has closed. */
  closed = false
  private readonly parts = new Map<string, Part>()
  private started = false
  /** How many parts have come back whose circuits are still merged. */
  rejoining = 0
  private updates = 0
  /** What is wrong, and who hears of it. */
  private readonly trouble: Trouble
  private asked: Array<{ readonly id: string; readonly answer: Deferred.Deferred<Reading, StoreFault> }> = []

  constructor(store: RecordStore["Service"], settings: Settings, clock: Clock.Clock, fork: Fork) {
    this.store = store
    this.settings = settings
    this.clock = clock
    this.fork = fork
    this.hub = new Hub(clock)
    this.trouble = new Trouble(this.hub, clock)
  }

  static readonly make = Effect.fnUntraced(function*(store: RecordStore["Service"], settings: Settings) {
    const clock = yield* Clock.Clock
    const run = yield* FiberSet.makeRuntime()
    const authority = new Authority(store, settings, clock, (self) => {
      const timed = Effect.provideService(self, Clock.Clock, clock)
      // With the caller's context, because events that come of this work belong to the caller's span.
      const caller = Fiber.getCurrent()
      return run(caller === undefined ? timed : Effect.provideContext(timed, caller.context))
    })
    // A call may end after the store's scope has closed: its circuit then decides by itself.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        authority.closed = true
        authority.refreshAll()
      })
    )
    return authority
  })

  /** The time between two beats. */
  get beatMillis(): number {
    return Math.min(this.settings.maxStalenessMillis / 2, this.settings.leaseMillis / 3)
  }

  now(): number {
    return circuitMillis(this.clock)
  }

  partOf(id: string): Part {
    const name = this.store.partOf(id)
    let part = this.parts.get(name)
    if (part === undefined) {
      const [known] = this.parts.values()
      this.parts.set(name, part = new Part(!this.started, known?.shift ?? 0))
    }
    return part
  }

  /** The parts that do not answer. */
  get degradedParts(): ReadonlyArray<Part> {
    return [...this.parts.values()].filter(({ degraded }) => degraded)
  }

  /** How this process signs its next update. */
  nextWriter(): string {
    return `${this.process}.${++this.updates}`
  }

  isOwn(writer: string): boolean {
    return writer.startsWith(this.process)
  }

  update(id: string, update: Update): Effect.Effect<Updated, StoreFault> {
    return this.timed(id, this.store.update(id, update))
  }

  /** Reads a record, together with those that are asked for at the same moment. */
  read(id: string): Effect.Effect<Reading, StoreFault> {
    return Effect.suspend(() => {
      const answer = Deferred.makeUnsafe<Reading, StoreFault>()
      this.asked.push({ id, answer })
      if (this.asked.length === 1) this.fork(Effect.andThen(Effect.yieldNow, this.readAsked))
      return this.timed(id, Deferred.await(answer))
    })
  }

  private readonly readAsked: Effect.Effect<void> = Effect.suspend(() => {
    const { asked } = this
    this.asked = []
    const batches: Array<typeof asked> = []
    for (let at = 0; at < asked.length; at += maxBatch) batches.push(asked.slice(at, at + maxBatch))
    return Effect.forEach(batches, (batch) => this.readBatch(batch), { concurrency: maxReads, discard: true })
  })

  private readBatch(batch: typeof this.asked): Effect.Effect<void> {
    const read = this.bounded(this.store.read(batch.map(({ id }) => id)))
    return Effect.matchCause(read, {
      onFailure: (cause) => {
        for (const { answer } of batch) Deferred.doneUnsafe(answer, Effect.fail(faultOf(cause)))
      },
      onSuccess: (results) => {
        for (const [index, { answer }] of batch.entries()) {
          Deferred.doneUnsafe(answer, Effect.fromResult(results[index] ?? Result.fail(malformed)))
        }
      }
    })
  }

  // Every answer says what time the part has.
  private timed<A extends Reading>(id: string, self: Effect.Effect<A, StoreFault>): Effect.Effect<A, StoreFault> {
    return Effect.tap(self, ({ nowMillis }) => Effect.sync(() => this.partOf(id).answered(this.now(), nowMillis)))
  }

  /** Gives up after `operationTimeout`, because a call may be waiting. What a store throws is a fault, too. */
  bounded<A>(self: Effect.Effect<A, StoreFault>): Effect.Effect<A, StoreFault> {
    const isFault = (cause: Cause.Cause<StoreFault>) => !Cause.hasInterruptsOnly(cause)
    const contained = Effect.catchCauseIf(self, isFault, (cause) => Effect.fail(faultOf(cause)))
    return Effect.raceFirst(apart(contained), deadline(this.settings.operationMillis))
  }

  /** The same, and reports to observers how long it took. */
  within<A>(operation: string, self: Effect.Effect<A, StoreFault>): Effect.Effect<A, StoreFault> {
    const limited = this.bounded(self)
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

  /** An operation failed: from now on every circuit of this part decides by itself. */
  degrade(part: Part, operation: string, { code }: StoreFault, id = part.suspect): void {
    part.suspect = id
    part.degraded = true
    // Until a beat arrives again, because a store that does not answer may not announce either.
    this.missesChanges ||= this.subscribed
    this.subscribed = false
    this.refreshAll()
    this.trouble.begins(operation, code)
  }

  /** A part answers again. */
  recover(part: Part): void {
    part.degraded = false
    part.suspect = ""
    this.missedChanges()
  }

  /** This process lives. Fails if the store cannot be written to. */
  beat(part: Part, beat: number): Effect.Effect<void, StoreFault> {
    const leaseMillis = Math.max(1000, 4 * this.settings.maxStalenessMillis)
    const sent = Effect.map(
      this.store.beat(this.process, beat, leaseMillis),
      (nowMillis) => part.answered(this.now(), nowMillis)
    )
    return this.within("pulse", sent)
  }

  /** Writes nothing to the record whose operation failed last, to see whether its part answers again. */
  touch(part: Part): Effect.Effect<unknown, StoreFault> {
    const update: Update = {
      guard: { generation: 0 },
      add: new Map(),
      remove: [],
      writer: this.nextWriter(),
      expiresInMillis: this.settings.idleMillis,
      announce: false
    }
    return this.within("pulse", this.update(part.suspect, update))
  }

  get isStarted(): boolean {
    return this.started
  }

  get hearsChanges(): boolean {
    return this.started && this.subscribed
  }

  /** The store has answered for the first time: parts are well until one fails. */
  starts(): void {
    this.started = true
  }

  /** Changes may have been missed: each circuit reads its record before it decides again. */
  subscriptionLost(code: string): void {
    this.trouble.begins("subscribe", code)
    // Before its first answer nothing was read of the store that could be out of date.
    if (!this.started) return
    this.subscribed = false
    this.missesChanges = true
    this.missedChanges()
  }

  /** From now on every change arrives. */
  subscriptionWorks(): void {
    if (this.subscribed) return
    this.subscribed = true
    this.missesChanges = false
    this.restored()
  }

  /** Whether the store answers, and no change is known to be missed. */
  get reliable(): boolean {
    return this.started && !this.missesChanges && this.rejoining === 0 && this.degradedParts.length === 0
  }

  /** What is wrong, as a code of `store.degraded`, or nothing. */
  get fault(): string | undefined {
    return this.trouble.error ?? (this.reliable ? undefined : timedOut.code)
  }

  /** A circuit is used for the first time: observers get the trouble that was there before. */
  use(): void {
    this.trouble.use()
  }

  /** Says that the trouble is over, if it is. */
  restored(): void {
    if (this.reliable) this.trouble.ends()
  }

  /** What was read until now may be out of date. */
  missedChanges(): void {
    this.epoch++
    this.refreshAll()
  }
}

/** How many records are read with one command, and how many of these commands are on their way at once. */
const maxBatch = 250
const maxReads = 4

const faultOf = (cause: Cause.Cause<unknown>): StoreFault => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  return error instanceof StoreFault ? error : thrown
}

/** Why the store has failed, as a word in capitals. */
export const codeOf = (cause: Cause.Cause<unknown>): string => faultOf(cause).code

const timedOut = new StoreFault({ code: "TIMEOUT" })
const malformed = new StoreFault({ code: "REPLY" })
const thrown = new StoreFault({ code: "THROWN" })

// In a fiber of its own, because a client may take long to be interrupted, until its server has cancelled a query.
const apart = <A, E>(self: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.withFiber(({ context }) =>
    Effect.callback((resume) => {
      const fiber = Effect.runForkWith(context)(self)
      fiber.addObserver(resume)
      return Effect.sync(() => fiber.interruptUnsafe())
    })
  )

// After one more turn of the event loop, because a process that was busy until the deadline has yet to read the answer.
const deadline = (millis: number): Effect.Effect<never, StoreFault> =>
  Effect.sleep(millis).pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(Effect.fail(timedOut)))
