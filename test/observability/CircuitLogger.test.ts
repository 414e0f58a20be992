import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Logger, type LogLevel, References } from "effect"
import {
  CircuitBreaker,
  CircuitEvent,
  CircuitLogger,
  CircuitObserver,
  type CircuitPolicy,
  CircuitStore,
  Outcome,
  TripPolicy
} from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"
const guarded = CircuitBreaker.execute({ key })
const down = Effect.exit(Effect.fail("503").pipe(guarded))
const up = Effect.exit(Effect.succeed("hello").pipe(guarded))
const says = (outcome: Outcome.Outcome) =>
  Effect.exit(Effect.succeed("answer").pipe(CircuitBreaker.execute({ key, classify: () => outcome })))

const throwing = () => {
  throw new Error("broken")
}

interface Line {
  readonly message: unknown
  readonly level: LogLevel.LogLevel
  readonly annotations: Readonly<Record<string, unknown>>
  readonly spans: ReadonlyArray<string>
  readonly date: Date
}

/** A logger that keeps its lines. */
const keeper = () => {
  const lines: Array<Line> = []
  const logger = Logger.make<unknown, void>(({ date, fiber, logLevel, message }) => {
    lines.push({
      message,
      level: logLevel,
      annotations: fiber.getRef(References.CurrentLogAnnotations),
      spans: fiber.getRef(References.CurrentLogSpans).map(([label]) => label),
      date
    })
  })
  return { lines, layer: Logger.layer([logger]) }
}

const breaker = (policy: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitLogger.layer.pipe(
    Layer.provideMerge(
      CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "1 second", ...policy })
    ),
    Layer.provide(CircuitStore.layerMemory)
  )

describe("CircuitLogger", () => {
  it.effect("writes one line for each event: its name, and its fields as annotations", () => {
    const { layer, lines } = keeper()
    return Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      yield* down
      assert.lengthOf(lines, 1)
      const { annotations, date, message } = lines[0]!
      assert.deepStrictEqual(message, ["circuit.opened"])
      assert.strictEqual(date.getTime(), 60_000)
      const { generation, outage_id, ...others } = annotations
      assert.isNumber(generation)
      assert.isString(outage_id)
      assert.deepStrictEqual(others, {
        key,
        at: 60_000,
        from: "closed",
        to: "open",
        reason: "threshold",
        open_for_ms: 1000,
        openings: 1,
        consecutive_failures: 1,
        failure_kind: "unknown",
        latency_tripped: false
      })
    }).pipe(Effect.provide(Layer.merge(breaker(), layer)))
  })

  it.effect("warns of what needs a look and informs of the rest, with the fields of the event and no others", () => {
    const { layer, lines } = keeper()
    const policy: CircuitPolicy.CircuitPolicy = {
      gateJitter: 0,
      tripPolicy: TripPolicy.anyOf(
        TripPolicy.consecutive(2),
        TripPolicy.slowCallRate({ threshold: 1, slowerThan: "100 millis", window: 10 })
      ),
      openDuration: "1 second"
    }
    const World = Layer.mergeAll(
      CircuitLogger.layer,
      RecordedEvents.layer,
      CircuitObserver.layer({ name: "broken", onEvent: throwing })
    ).pipe(
      Layer.provideMerge(CircuitBreaker.layer(policy)),
      Layer.provideMerge(CircuitStore.layerMemory)
    )
    return Effect.gen(function*() {
      yield* down
      yield* down
      yield* up
      yield* TestClock.adjust("1 second")
      yield* up
      const slow = yield* Effect.forkChild(Effect.sleep("150 millis").pipe(guarded), { startImmediately: true })
      yield* TestClock.adjust("150 millis")
      yield* Fiber.join(slow)
      yield* says(Outcome.throttled("1 second"))
      yield* TestClock.adjust("1 second")
      const late = yield* Effect.forkChild(Effect.never.pipe(guarded), { startImmediately: true })
      yield* CircuitBreaker.forceOpen(key)
      yield* Fiber.interrupt(late)
      yield* CircuitBreaker.reset(key)
      yield* CircuitBreaker.disable(key)
      yield* says(Outcome.openNow("overloaded"))
      yield* CircuitBreaker.enable(key)
      yield* Effect.succeed("kept").pipe(CircuitBreaker.execute({ key, classify: throwing }))
      const other = yield* Layer.build(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(7) }))
      yield* up.pipe(Effect.provide(other))

      const levels = new Map(lines.map(({ level, message }) => [(message as ReadonlyArray<string>)[0], level]))
      assert.deepStrictEqual(
        Object.fromEntries([...levels].sort()),
        {
          "circuit.closed": "Info",
          "circuit.disabled": "Warn",
          "circuit.enabled": "Info",
          "circuit.failure": "Warn",
          "circuit.forced": "Warn",
          "circuit.half_open": "Info",
          "circuit.late_outcome": "Info",
          "circuit.opened": "Warn",
          "circuit.probe": "Info",
          "circuit.reset": "Info",
          "circuit.skipped": "Warn",
          "circuit.slow_call": "Warn",
          "circuit.throttled": "Warn",
          "circuit.would_open": "Warn",
          "classify.failed": "Warn",
          "observer.failed": "Warn",
          "store.policy_mismatch": "Warn"
        }
      )
      const recorded = yield* RecordedEvents.RecordedEvents
      assert.deepStrictEqual(
        lines.map(({ annotations, message }) => ({ event: (message as ReadonlyArray<string>)[0], ...annotations })),
        (yield* recorded.all) as ReadonlyArray<object>
      )
      for (const { annotations } of lines) {
        for (const name of Object.keys(annotations)) assert.match(name, /^[a-z]+(_[a-z]+)*$/)
      }
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(World, layer)))
  })

  it.effect("I71: every line holds an event as its schema has it, in one line of JSON", () => {
    const printed: Array<string> = []
    const json = Logger.layer([Logger.map(Logger.formatJson, (line) => void printed.push(line))])
    return Effect.gen(function*() {
      yield* says(Outcome.throttled("1 second"))
      yield* up
      yield* TestClock.adjust("2 seconds")
      yield* down
      yield* up
      yield* TestClock.adjust("1 second")
      yield* up
      yield* CircuitBreaker.forceOpen(key, { for: "1 minute", reason: "two\nlines", actor: "ops" })
      yield* CircuitBreaker.disable(key)
      yield* down
      yield* CircuitBreaker.enable(key)
      const events = yield* Effect.forEach(printed, (line) => {
        assert.notInclude(line, "\n")
        const { annotations, message } = JSON.parse(line)
        return CircuitEvent.decode({ event: message, ...annotations })
      })
      const recorded = yield* (yield* RecordedEvents.RecordedEvents).all
      assert.deepStrictEqual(events, recorded)
      assert.isAbove(events.length, 8)
    }).pipe(
      Effect.provide([
        RecordedEvents.layer.pipe(Layer.provideMerge(breaker({ openDuration: "1 second", gateJitter: 0 }))),
        json
      ])
    )
  })

  it("has a level for every event", () => {
    const events = CircuitEvent.CircuitEvent.members.map(({ fields }) => fields.event.literal)
    assert.sameMembers(Object.keys(CircuitLogger.levels), events)
  })

  it.effect("uses the loggers, the annotations and the spans of the fiber in which it happened", () => {
    const own = keeper()
    const others = keeper()
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key)
      yield* up.pipe(
        Effect.annotateLogs({ request_id: "r-1" }),
        Effect.withLogSpan("ask"),
        Effect.provide(own.layer)
      )
      yield* up.pipe(Effect.annotateLogs({ request_id: "r-2" }))
      assert.deepStrictEqual(own.lines.map(({ message }) => message), [["circuit.skipped"]])
      assert.deepStrictEqual(own.lines.map(({ annotations, spans }) => [annotations["request_id"], spans]), [
        ["r-1", ["ask"]]
      ])
      assert.strictEqual(own.lines[0]?.annotations["key"], key)
      assert.deepStrictEqual(others.lines.map(({ annotations }) => annotations["request_id"]), [undefined, "r-2"])
    }).pipe(Effect.provide(Layer.merge(breaker(), others.layer)))
  })

  it.effect("leaves nothing behind in the fiber in which it happened", () => {
    const { layer, lines } = keeper()
    return Effect.gen(function*() {
      yield* CircuitBreaker.forceOpen(key)
      yield* Effect.log("after")
      assert.deepStrictEqual(lines.at(-1)?.annotations, {})
    }).pipe(Effect.provide(Layer.merge(breaker(), layer)))
  })

  it.effect.each(
    [
      ["Info", ["circuit.opened", "circuit.skipped", "circuit.half_open", "circuit.probe", "circuit.closed"]],
      ["Warn", ["circuit.opened", "circuit.skipped"]],
      ["None", []]
    ] as const
  )("respects the minimum log level %s", ([minimum, expected]) => {
    const { layer, lines } = keeper()
    return Effect.gen(function*() {
      yield* down
      yield* up
      yield* TestClock.adjust("1 second")
      yield* up
      assert.deepStrictEqual(lines.map(({ message }) => message), expected.map((name) => [name]))
    }).pipe(
      Effect.provideService(References.MinimumLogLevel, minimum),
      Effect.provide(Layer.merge(breaker(), layer))
    )
  })

  it.effect("a logger that throws hurts neither the call nor the circuit nor other observers", () => {
    const heard: Array<unknown> = []
    const witness = {
      name: "witness",
      onEvent: (event: { readonly event: string; readonly observer?: string }) =>
        void heard.push(event.observer ?? event.event)
    }
    const World = CircuitObserver.layer(witness).pipe(
      Layer.provideMerge(breaker()),
      Layer.provideMerge(Logger.layer([Logger.make(throwing)]))
    )
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* down, Exit.fail("503"))
      assert.isTrue(Exit.isFailure(yield* up))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* up, Exit.succeed("hello"))
      assert.strictEqual((yield* CircuitBreaker.state(key))._tag, "Closed")
      assert.deepStrictEqual(heard.filter((name) => name !== "logger"), [
        "circuit.opened",
        "circuit.skipped",
        "circuit.half_open",
        "circuit.probe",
        "circuit.closed"
      ])
      // Five faults, announced at the first, second and fourth.
      assert.lengthOf(heard, 5 + 3)
    }).pipe(Effect.provide(World))
  })
})

describe("what is announced of a call", () => {
  const canary = "CANARY-sk-live-4242"

  class Leaky extends Error {
    readonly prompt = canary
    readonly headers = { authorization: `Bearer ${canary}` }
    override readonly cause = canary
    override toString() {
      return canary
    }
  }

  const leaks: ReadonlyArray<readonly [what: string, call: Effect.Effect<unknown, unknown>]> = [
    ["the error of a call", Effect.fail(new Leaky(canary))],
    ["an error that is a text", Effect.fail(canary)],
    ["a defect", Effect.die(new Leaky(canary))],
    ["a defect that is a text", Effect.die(canary)],
    ["a value", Effect.succeed(canary)]
  ]

  const classifiers: ReadonlyArray<readonly [what: string, classify: (() => Outcome.Outcome) | undefined]> = [
    ["as it is", undefined],
    ["with a classifier that throws an error", () => {
      throw new Leaky(canary)
    }],
    ["with a classifier that throws a text", () => {
      // oxlint-disable-next-line no-throw-literal
      throw canary
    }],
    ["with a classifier that throws a record", () => {
      // oxlint-disable-next-line no-throw-literal
      throw { message: canary, [canary]: true }
    }]
  ]

  const broken = {
    name: "broken",
    onEvent: () => {
      throw new Leaky(canary)
    },
    onCircuit: () => ({
      onCall: () => {
        throw new Leaky(canary)
      }
    })
  }

  it.effect.each(classifiers)("never holds anything of what was asked or answered, %s", ([, classify]) => {
    const { layer, lines } = keeper()
    const World = Layer.mergeAll(RecordedEvents.layer, CircuitObserver.layer(broken)).pipe(
      Layer.provideMerge(breaker({ openDuration: Duration.seconds(1) })),
      Layer.provideMerge(layer)
    )
    return Effect.gen(function*() {
      for (const [, call] of leaks) {
        yield* Effect.exit(CircuitBreaker.execute(call, { key, classify }))
        yield* up
        yield* TestClock.adjust("1 second")
      }
      const recorded = yield* RecordedEvents.RecordedEvents
      const told = [yield* recorded.all, yield* recorded.calls, lines, yield* CircuitBreaker.states]
      assert.isAbove(lines.length, 5)
      assert.notInclude(JSON.stringify(told), "CANARY")
    }).pipe(Effect.provide(World))
  })
})
