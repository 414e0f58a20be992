import { assert, describe, it } from "@effect/vitest"
import { type Context, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitLogger,
  CircuitObserver,
  type CircuitPolicy,
  CircuitStore,
  Outcome,
  TripPolicy
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { numberedOutages } from "../support/numberedOutages.ts"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.exit(Effect.fail("503").pipe(guarded))
const up = Effect.exit(Effect.succeed("hello").pipe(guarded))
const says = (outcome: Outcome.Outcome) =>
  Effect.exit(Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome })))

const policy: CircuitPolicy.CircuitPolicy = {
  tripPolicy: TripPolicy.anyOf(
    TripPolicy.consecutive(1),
    TripPolicy.slowCallRate({ threshold: 1, slowerThan: "10 seconds", window: 1 })
  ),
  openDuration: "1 second"
}

type Name = CircuitEvent.CircuitEvent["event"]

/** An observer that keeps the names of what it hears. */
const listener = (name: string) => {
  const heard: Array<Name> = []
  return { name, heard, onEvent: ({ event }: CircuitEvent.CircuitEvent) => void heard.push(event) }
}

const attached = (...observers: ReadonlyArray<CircuitObserver.CircuitObserver>) =>
  Layer.mergeAll(Layer.empty, ...observers.map((observer) => CircuitObserver.layer(observer)))

/** A breaker with observers, as the documentation puts it together. */
const breaker = (...observers: ReadonlyArray<CircuitObserver.CircuitObserver>) =>
  attached(...observers).pipe(
    Layer.provideMerge(CircuitBreaker.layer(policy)),
    Layer.provide(CircuitStore.layerMemory)
  )

const lifeCycle = Effect.gen(function*() {
  yield* up
  yield* down
  yield* up
  yield* TestClock.adjust("1 second")
  yield* down
  yield* TestClock.adjust("1 second")
  yield* up
})

const lifeCycleNames: ReadonlyArray<Name> = [
  "circuit.opened",
  "circuit.skipped",
  "circuit.half_open",
  "circuit.probe",
  "circuit.opened",
  "circuit.half_open",
  "circuit.probe",
  "circuit.closed"
]

const throwing = () => {
  throw new Error("broken")
}

describe("observers", () => {
  it.effect("all hear everything, in order", () => {
    const first = listener("first")
    const second = listener("second")
    return Effect.gen(function*() {
      yield* lifeCycle
      assert.deepStrictEqual(first.heard, lifeCycleNames)
      assert.deepStrictEqual(second.heard, lifeCycleNames)
    }).pipe(Effect.provide(breaker(first, second)))
  })

  it.effect("lose none of them where their layers are merged, whatever the form", () => {
    const names = ["one", "two", "three", "four"]
    const [one, two, three, four] = names.map(listener)
    const observers = Layer.mergeAll(
      CircuitObserver.layer(one!),
      CircuitObserver.layer(two!).pipe(Layer.merge(CircuitObserver.layer(three!))),
      CircuitObserver.layer(Effect.succeed(four!))
    )
    return Effect.gen(function*() {
      yield* lifeCycle
      for (const { heard } of [one!, two!, three!, four!]) assert.deepStrictEqual(heard, lifeCycleNames)
    }).pipe(
      Effect.provide(
        Layer.mergeAll(observers, CircuitLogger.layer).pipe(
          Layer.provideMerge(CircuitBreaker.layer(policy)),
          Layer.provide(CircuitStore.layerMemory)
        )
      )
    )
  })

  it.effect("whose doing makes the events that they hear come to an end, and are counted", () => {
    let context: Context.Context<CircuitBreaker.CircuitBreaker> | undefined
    let heard = 0
    const faults: Array<string> = []
    const looping = {
      name: "looping",
      onEvent: () => {
        heard++
        if (context !== undefined) Effect.runForkWith(context)(up)
      }
    }
    const witness = { name: "witness", onFault: (_: unknown, name: string) => void faults.push(name) }
    return Effect.gen(function*() {
      yield* down
      context = yield* Effect.context<CircuitBreaker.CircuitBreaker>()
      yield* up
      context = undefined
      assert.isBelow(heard, 50)
      assert.deepStrictEqual(faults, ["looping"])
    }).pipe(Effect.provide(breaker(looping, witness)))
  })

  it.effect("that are async functions and fail are contained and counted", () => {
    const faults: Array<string> = []
    const failing = async () => {
      throw new Error("webhook down")
    }
    const observer = { name: "webhook", onEvent: failing, onCircuit: () => ({ onCall: failing }) }
    const witness = { name: "witness", onFault: (_: unknown, name: string) => void faults.push(name) }
    return Effect.gen(function*() {
      yield* down
      yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      assert.deepStrictEqual(faults, ["webhook", "webhook"])
    }).pipe(Effect.provide(breaker(observer, witness)))
  })

  it.effect("may be objects with methods", () => {
    class Counting implements CircuitObserver.CircuitObserver {
      readonly name = "counting"
      private events = 0
      private calls = 0
      onEvent() {
        this.events++
      }
      onCircuit() {
        return { onCall: () => void this.calls++ }
      }
      get counted() {
        return [this.events, this.calls]
      }
    }
    const counting = new Counting()
    return Effect.gen(function*() {
      yield* lifeCycle
      assert.deepStrictEqual(counting.counted, [8, 5])
    }).pipe(Effect.provide(breaker(counting)))
  })

  it.effect("can be made by an effect, and hear in the order in which they were attached", () => {
    const order: Array<string> = []
    const hears = (name: string) => ({ name, onEvent: () => void order.push(name) })
    return Effect.gen(function*() {
      yield* down
      assert.deepStrictEqual(order, ["first", "second", "third"])
    }).pipe(
      Effect.provide(
        CircuitObserver.layer(hears("third")).pipe(
          Layer.provideMerge(
            Layer.mergeAll(CircuitObserver.layer(Effect.succeed(hears("first"))), attached(hears("second")))
          ),
          Layer.provideMerge(CircuitBreaker.layer(policy)),
          Layer.provide(CircuitStore.layerMemory)
        )
      )
    )
  })

  it.effect("whose layer stands for two breakers hear both, and are made once", () => {
    const mine = listener("mine")
    let made = 0
    const Mine = CircuitObserver.layer(Effect.sync(() => {
      made++
      return mine
    }))
    const two = [CircuitBreaker.layer(policy), CircuitBreaker.layer(policy)].map((Breaker) =>
      Layer.effectDiscard(down).pipe(
        Layer.provide(Mine),
        Layer.provide(Breaker),
        Layer.provide(Layer.fresh(CircuitStore.layerMemory))
      )
    )
    return Effect.gen(function*() {
      yield* Layer.build(Layer.mergeAll(Layer.empty, ...two))
      assert.deepStrictEqual(mine.heard, ["circuit.opened", "circuit.opened"])
      assert.strictEqual(made, 1)
    })
  })

  it.effect("hear until their layer closes", () => {
    const first = listener("first")
    return Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Scope.provide(Layer.build(attached(first)), scope)
      yield* down
      yield* Scope.close(scope, Exit.void)
      yield* up
      assert.deepStrictEqual(first.heard, ["circuit.opened"])
    }).pipe(Effect.provide(breaker()))
  })

  it.effect("I53: with or without them, circuits do the same", () => {
    const run = Effect.gen(function*() {
      const seen: Array<unknown> = []
      const look = Effect.flatMap(CircuitBreaker.states, (states) => Effect.sync(() => seen.push(...states)))
      for (const step of [up, down, up, TestClock.adjust("1 second"), down, TestClock.adjust("1 second"), up]) {
        seen.push(yield* step)
        yield* look
      }
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute" })
      yield* look
      yield* CircuitBreaker.disable(key)
      yield* says(Outcome.openNow("overloaded"))
      yield* look
      yield* CircuitBreaker.reset(key)
      yield* look
      const slow = yield* Effect.forkChild(Effect.sleep("1 minute").pipe(guarded), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.await(slow)
      yield* look
      assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Open")
      return numberedOutages(seen)
    })
    // Each in a time of its own, so that everything can be compared.
    const watchedBy = (...observers: ReadonlyArray<CircuitObserver.CircuitObserver>) =>
      run.pipe(Effect.provide(Layer.provideMerge(breaker(...observers), TestClock.layer())))
    return Effect.gen(function*() {
      const unwatched = yield* watchedBy()
      const others = [listener("one"), { name: "two", onCircuit: () => ({ onCall: () => {} }) }, listener("three")]
      assert.deepStrictEqual(yield* watchedBy(...others), unwatched)
      assert.deepStrictEqual(yield* watchedBy({ name: "broken", onEvent: throwing, onCircuit: throwing }), unwatched)
    })
  })

  it.effect("I52: are called when the circuit has changed: one that calls back sees the new state", () => {
    let context: Context.Context<CircuitBreaker.CircuitBreaker> | undefined
    const seen: Array<string> = []
    const look = (what: string) => {
      const state = context === undefined ? undefined : Effect.runSyncWith(context)(CircuitBreaker.state(key))
      seen.push(`${what}: ${state?._tag}`)
    }
    const observer = {
      name: "looker",
      onEvent: ({ event }: CircuitEvent.CircuitEvent) => look(event),
      onCircuit: () => ({ onCall: look })
    }
    return Effect.gen(function*() {
      context = yield* Effect.context<CircuitBreaker.CircuitBreaker>()
      yield* down
      yield* TestClock.adjust("1 second")
      yield* up
      assert.deepStrictEqual(seen, [
        "circuit.opened: Open",
        "failure: Open",
        "circuit.half_open: HalfOpen",
        "circuit.probe: Closed",
        "circuit.closed: Closed",
        "success: Closed"
      ])
    }).pipe(Effect.provide(breaker(observer)))
  })

  it.effect("that change an event change nothing for the next one", () => {
    const vandal = {
      name: "vandal",
      onEvent: (event: CircuitEvent.CircuitEvent) => {
        for (const name of Object.keys(event)) Reflect.set(event, name, "changed")
        Reflect.set(event, "added", true)
        if ("targets" in event) {
          for (const target of event.targets) Reflect.set(target, "cause", "changed")
          Reflect.set(event.targets, 0, "changed")
        }
      }
    }
    return Effect.gen(function*() {
      const recorded = yield* RecordedEvents.RecordedEvents
      yield* down
      const { reporter } = yield* CircuitBreaker.CircuitBreaker
      const exhausted = {
        event: "failover.exhausted",
        route: "chat",
        at: 0,
        targets: [{ target: "us", cause: "open" }, { target: "eu", cause: "timeout" }]
      } as const
      reporter.announce(structuredClone(exhausted))
      const [opened, last] = yield* recorded.all
      assert.deepInclude(opened, { event: "circuit.opened", key, from: "closed", to: "open" })
      assert.notProperty(opened, "added")
      assert.deepStrictEqual(last, exhausted)
    }).pipe(
      Effect.provide(Layer.provideMerge(RecordedEvents.layer, breaker(vandal)))
    )
  })

  it.effect("I72: hear transitions in the order in which they happened, also when one of them causes the next", () => {
    let context: Context.Context<CircuitBreaker.CircuitBreaker> | undefined
    const before = listener("before")
    const after = listener("after")
    const caller = {
      name: "caller",
      onEvent: ({ event }: CircuitEvent.CircuitEvent) => {
        if (event !== "circuit.probe" || context === undefined) return
        Effect.runSyncWith(context)(CircuitBreaker.forceOpen(key))
      }
    }
    return Effect.gen(function*() {
      context = yield* Effect.context<CircuitBreaker.CircuitBreaker>()
      yield* down
      yield* TestClock.adjust("1 second")
      yield* up
      const expected = [
        "circuit.opened",
        "circuit.half_open",
        "circuit.probe",
        "circuit.closed",
        "circuit.forced"
      ]
      assert.deepStrictEqual(before.heard, expected)
      assert.deepStrictEqual(after.heard, expected)
    }).pipe(Effect.provide(breaker(before, caller, after)))
  })

  it.effect("a rejection tells of the circuit that rejected, also when an observer resets it meanwhile", () => {
    let context: Context.Context<CircuitBreaker.CircuitBreaker> | undefined
    const resetter = {
      name: "resetter",
      onEvent: ({ event }: CircuitEvent.CircuitEvent) => {
        if (event === "circuit.skipped" && context) Effect.runSyncWith(context)(CircuitBreaker.reset(key))
      }
    }
    return Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      context = yield* Effect.context<CircuitBreaker.CircuitBreaker>()
      yield* down
      const open = yield* CircuitBreaker.state(key)
      yield* TestClock.adjust("100 millis")
      const { reason } = yield* Effect.flip(Effect.void.pipe(guarded))
      assert.deepStrictEqual(
        reason._tag === "CircuitOpen" && [reason.outageId, reason.openedAt],
        open._tag === "Open" && [open.outageId, 60_000]
      )
    }).pipe(Effect.provide(breaker(resetter)))
  })

  it.effect("the faults of one are announced to the others, at the powers of two and by name only", () => {
    const heard: Array<unknown> = []
    const witness = {
      name: "witness",
      onEvent: (event: CircuitEvent.CircuitEvent) => {
        if (event.event === "observer.failed") heard.push(event)
      }
    }
    const bad: CircuitObserver.CircuitObserver = {
      name: "bad",
      onEvent: () => {
        throw new TypeError("canary")
      }
    }
    return Effect.gen(function*() {
      yield* TestClock.adjust("5 seconds")
      yield* CircuitBreaker.forceOpen(key)
      for (let i = 0; i < 9; i++) yield* up
      assert.deepStrictEqual(
        heard,
        [1, 2, 4, 8].map((failures) => ({
          event: "observer.failed",
          observer: "bad",
          at: 5000,
          error: "TypeError",
          failures
        }))
      )
    }).pipe(Effect.provide(breaker(bad, witness)))
  })

  it.effect("two that are broken do not talk about each other for ever", () => {
    let faults = 0
    const bad = (name: string) => ({
      name,
      onEvent: () => {
        faults++
        throw new Error(name)
      }
    })
    return Effect.gen(function*() {
      const witness = listener("witness")
      yield* down.pipe(Effect.provide(breaker(bad("one"), bad("two"), witness)))
      assert.deepStrictEqual(witness.heard, ["circuit.opened", "observer.failed", "observer.failed"])
      assert.strictEqual(faults, 4)
    })
  })

  it.effect("a fault in hearing of calls is contained, counted, and announced to the others", () => {
    const results: Array<string> = []
    const witness = listener("witness")
    const bad = { name: "bad", onCircuit: () => ({ onCall: throwing }) }
    const good = { name: "good", onCircuit: () => ({ onCall: (result: string) => void results.push(result) }) }
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* up, Exit.succeed("hello"))
      yield* down
      yield* up
      assert.deepStrictEqual(results, ["success", "failure", "rejected_open"])
      assert.deepStrictEqual(
        witness.heard,
        ["observer.failed", "circuit.opened", "observer.failed", "circuit.skipped"]
      )
    }).pipe(Effect.provide(breaker(bad, good, witness)))
  })

  it.effect("are asked once for each circuit what to tell of its calls, also while others come and go", () => {
    const asked: Array<string> = []
    const observer = { name: "metrics", onCircuit: (key: string) => void asked.push(key) }
    return Effect.gen(function*() {
      yield* up
      const events = yield* Effect.forkChild(Stream.runDrain(CircuitBreaker.events), { startImmediately: true })
      yield* up
      yield* Fiber.interrupt(events)
      yield* up
      yield* Effect.void.pipe(CircuitBreaker.execute({ key: "other" }))
      assert.deepStrictEqual(asked, [key, "other"])
    }).pipe(Effect.provide(breaker(observer)))
  })
})

describe("two breakers on one store", () => {
  const build = (policy: CircuitPolicy.CircuitPolicy, ...observers: ReadonlyArray<CircuitObserver.CircuitObserver>) =>
    Effect.map(
      Layer.build(attached(...observers).pipe(Layer.provideMerge(CircuitBreaker.layer(policy)))),
      (context) => <A, E>(self: Effect.Effect<A, E, CircuitBreaker.CircuitBreaker>) => Effect.provide(self, context)
    )

  it.effect("tell the same observer once, and the observers of both", () => {
    const both = listener("both")
    const second = listener("second")
    return Effect.gen(function*() {
      const a = yield* build(policy, both)
      const b = yield* build(policy, both, second)
      yield* a(down)
      yield* b(up)
      assert.deepStrictEqual(both.heard, ["circuit.opened", "circuit.skipped"])
      assert.deepStrictEqual(second.heard, ["circuit.opened", "circuit.skipped"])
    }).pipe(Effect.scoped, Effect.provide(CircuitStore.layerMemory))
  })

  it.effect("tell an observer that comes later of calls through circuits in use, until it is gone", () => {
    const results: Array<string> = []
    const late = { name: "late", onCircuit: () => ({ onCall: (result: string) => void results.push(result) }) }
    return Effect.gen(function*() {
      const a = yield* build(policy)
      yield* a(up)
      const scope = yield* Scope.make()
      yield* Scope.provide(build(policy, late), scope)
      yield* a(up)
      yield* a(down)
      yield* Scope.close(scope, Exit.void)
      yield* a(up)
      assert.deepStrictEqual(results, ["success", "failure"])
    }).pipe(Effect.scoped, Effect.provide(CircuitStore.layerMemory))
  })

  it.effect("keep telling an observer until the last one that brought it is gone", () => {
    const both = listener("both")
    const second = listener("second")
    return Effect.gen(function*() {
      const a = yield* build(policy, both)
      const scope = yield* Scope.make()
      yield* Scope.provide(build(policy, both, second), scope)
      yield* Scope.close(scope, Exit.void)
      yield* a(down)
      assert.deepStrictEqual([both.heard, second.heard], [["circuit.opened"], []])
    }).pipe(Effect.scoped, Effect.provide(CircuitStore.layerMemory))
  })

  it.effect("with different policies for a key are announced once; the circuit keeps the first", () => {
    const observer = listener("observer")
    return Effect.gen(function*() {
      const strict = yield* build(policy, observer)
      const patient = yield* build({ ...policy, tripPolicy: TripPolicy.consecutive(7) })
      const like = yield* build({ ...policy, openDuration: 1000 })
      yield* strict(up)
      yield* like(up)
      assert.deepStrictEqual(observer.heard, [])
      yield* patient(up)
      yield* patient(up)
      yield* patient(down)
      assert.deepStrictEqual(observer.heard, ["store.policy_mismatch", "circuit.opened"])
    }).pipe(Effect.scoped, Effect.provide(CircuitStore.layerMemory))
  })
})

describe("a classifier that throws", () => {
  it.effect("is announced at the powers of two, by name only, and counts as ignored", () =>
    Effect.gen(function*() {
      const classify = () => {
        throw new RangeError("canary")
      }
      const call = Effect.succeed("kept").pipe(CircuitBreaker.execute({ key, classify }))
      for (let i = 0; i < 9; i++) assert.strictEqual(yield* call, "kept")
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual(
        yield* recorded.all,
        [1, 2, 4, 8].map((failures) => ({ event: "classify.failed", key, at: 0, error: "RangeError", failures }))
      )
      const calls = yield* recorded.calls
      assert.deepStrictEqual(
        new Set(calls.map(({ kind, result }) => `${result} ${kind}`)),
        new Set(["ignored caller_error"])
      )
    }).pipe(
      Effect.provide(
        RecordedEvents.layer.pipe(
          Layer.provideMerge(CircuitBreaker.layer(policy)),
          Layer.provide(CircuitStore.layerMemory)
        )
      )
    ))
})
