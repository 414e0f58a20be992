// What must hold of every call through a route, whatever its targets do and whenever.
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Cause, Effect, Exit, Fiber, Option, Schema, Stream } from "effect"
import { CircuitBreaker, CircuitError, FailoverError, FailoverRouter, Outcome } from "effect-resilience"
import { RecordedEvents } from "effect-resilience/testing"
import { TestClock } from "effect/testing"
import { classifyPart, provider, ProviderFailed, type Step } from "../support/streams.ts"
import { answers, classify, fails, route, Said } from "./targets.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const targets = [
  { name: "a", region: "us", tier: 1, weight: 3, contextTokens: 8 },
  { name: "b", region: "eu", tier: 1, weight: 1 },
  { name: "c", region: "eu", tier: 2, contextTokens: 16 },
  { name: "d", tier: 3, contextTokens: 8 }
]
const names = targets.map(({ name }) => name)
const regionOf = (name: string) => targets.find((target) => target.name === name)?.region

const ends: Record<string, Effect.Effect<unknown, unknown>> = {
  fails: fails(Outcome.failure("server_error")),
  throttled: fails(Outcome.throttled("40 seconds")),
  useless: fails(Outcome.openNow("quota_exhausted", "90 seconds")),
  auth: fails(Outcome.ignored("auth")),
  refused: fails(Outcome.ignored("content_policy")),
  wrong: fails(Outcome.ignored("invalid_request")),
  long: fails(Outcome.ignored("context_length")),
  answered: answers(Outcome.failure("overloaded")),
  dies: Effect.die("bug")
}

const End = Schema.Literals(["serves", "serves", "serves", ...Object.keys(ends)])
const Call = Schema.Struct({
  _tag: Schema.tag("Call"),
  ends: Schema.Tuple([End, End, End, End]),
  millis: Schema.Tuple([int(0, 9_000), int(0, 9_000), int(0, 9_000), int(0, 9_000)]),
  fence: Schema.Literals(["none", "none", "eu", "not d", "nobody"]),
  sticky: Schema.Literals(["none", "one", "two"])
})
const Wait = Schema.Struct({ _tag: Schema.tag("Wait"), millis: int(0, 70_000) })
const Control = Schema.Struct({
  _tag: Schema.tag("Control"),
  target: Schema.Literals(names),
  what: Schema.Literals(["force", "hold", "reset", "disable", "enable", "reset all"])
})
const commands = Arbitrary.array(Arbitrary.schema(Schema.Union([Call, Call, Call, Wait, Wait, Control])), {
  maxLength: 30
})

const fences: Record<typeof Call.Type["fence"], FailoverRouter.ExecuteOptions["allow"]> = {
  none: undefined,
  eu: { regions: ["eu"] },
  "not d": { targets: ["a", "b", "c"] },
  nobody: { regions: ["moon"] }
}
const isInside = (fence: typeof Call.Type["fence"], name: string) =>
  fence === "none" || (fence === "eu" ? regionOf(name) === "eu" : fence === "not d" && name !== "d")

const ran = ({ attempts }: FailoverError.FailoverError) => attempts.filter(({ ran }) => ran)
const errorIn = (exit: Exit.Exit<unknown, unknown>) => Option.getOrUndefined(Exit.findErrorOption(exit))

const called = Effect.fnUntraced(function*({ ends: how, fence, millis, sticky }: typeof Call.Type) {
  const asked: Array<string> = []
  const fiber = yield* FailoverRouter.execute("chat", ({ name }) =>
    Effect.suspend(() => {
      asked.push(name)
      const index = names.indexOf(name)
      return Effect.delay(ends[how[index]!] ?? Effect.succeed(name), millis[index]!)
    }), { allow: fences[fence], stickyKey: sticky === "none" ? undefined : sticky }).pipe(Effect.forkChild)
  yield* TestClock.adjust("1 minute")
  const exit = yield* Fiber.await(fiber)
  const end = (name: string | undefined) => name === undefined ? undefined : how[names.indexOf(name)]

  assert.strictEqual(new Set(asked).size, asked.length, "a target was asked twice")
  for (const name of asked) assert.isTrue(isInside(fence, name), "the fence was crossed")
  const last = asked.at(-1)
  if (Exit.isSuccess(exit)) {
    assert.strictEqual(exit.value, last)
    return assert.strictEqual(end(last), "serves")
  }
  if (Exit.hasDies(exit)) return assert.strictEqual(end(last), "dies")
  const error = errorIn(exit)
  if (error instanceof Said) {
    assert.lengthOf(asked, 1)
    return assert.include(["refused", "wrong", "long"], end(last))
  }
  assert(FailoverError.isFailoverError(error), String(error))
  assert.deepStrictEqual(ran(error).map(({ target }) => target), asked)
  assert.strictEqual(error.cause, (ran(error)[0] ?? error.attempts[0])?.error)
  switch (error.reason._tag) {
    case "NoTargetAllowed":
      return assert.strictEqual(fence, "nobody")
    case "DeadlineExceeded":
      return assert.isAtLeast(error.attempts.reduce((sum, { durationMillis }) => sum + durationMillis, 0), 20_000)
    case "NoTargetAvailable": {
      assert.notInclude(asked.map(end), "serves")
      // Nobody was left out but for a reason.
      if (["refused", "wrong", "long"].some((reason) => asked.map(end).includes(reason))) return
      return assert.deepStrictEqual(
        // One whose gate turned the call away at first may have been asked when it opened.
        Array.from(new Set(error.attempts.map(({ target }) => target))).toSorted(),
        names.filter((name) => isInside(fence, name))
      )
    }
    case "UnknownRoute":
      return assert.fail("the route is there")
  }
})

const controlled = ({ target, what }: typeof Control.Type) => {
  const key = `chat/${target}`
  switch (what) {
    case "force":
      return CircuitBreaker.forceOpen(key, { for: "45 seconds" })
    case "hold":
      return CircuitBreaker.forceOpen(key)
    case "reset":
      return CircuitBreaker.reset(key)
    case "disable":
      return CircuitBreaker.disable(key)
    case "enable":
      return CircuitBreaker.enable(key)
    case "reset all":
      return Effect.orDie(FailoverRouter.reset("chat"))
  }
}

/** What must hold between calls. */
const looked = Effect.gen(function*() {
  const [state] = yield* FailoverRouter.snapshot
  assert(state !== undefined)
  const active = yield* FailoverRouter.activeTarget("chat")
  assert.strictEqual(state.active, active)
  assert.strictEqual(state.isFailedOver, active.name !== "a")
  assert.strictEqual(state.failedOverFor !== undefined, state.isFailedOver)
  const isReady = (name: string) =>
    state.targets.some(({ circuit, target }) =>
      target.name === name &&
      (circuit._tag === "Disabled" || (circuit._tag === "Closed" && circuit.throttledFor === undefined))
    )
  const ready = names.filter(isReady)
  const serving = state.targets.find(({ target }) => target === active)?.circuit
  // A gate does not move the route.
  if (ready.length > 0 && serving?._tag !== "Closed") assert.include(ready, active.name)
  // What was announced leads from each to the next, and to who serves now.
  const recorded = yield* RecordedEvents.RecordedEvents
  let at = "a"
  for (const event of yield* recorded.all) {
    if (event.event !== "failover.switched" && event.event !== "failover.recovered") continue
    assert.strictEqual(event.from_target, at)
    assert.notStrictEqual(event.to_target, at)
    assert.strictEqual(event.event === "failover.recovered", event.to_target === "a")
    at = event.to_target
  }
  assert.strictEqual(at, active.name)
})

describe("every call", () => {
  it.effect.prop(
    "asks each target once at most, inside its fence, and tells of all of them",
    { commands },
    (given) =>
      Effect.gen(function*() {
        for (const command of given.commands) {
          if (command._tag === "Call") yield* called(command)
          else if (command._tag === "Wait") yield* TestClock.adjust(command.millis)
          else yield* controlled(command)
          yield* looked
        }
      }).pipe(Effect.provide(route({ targets, deadline: "20 seconds" }, { classify }, { openDuration: "50 seconds" }))),
    {
      arbitrary: { runs: 300, size: 30 }
    }
  )
})

const Part = Schema.Literals([
  "open",
  "ping",
  "text",
  "text",
  "tool",
  "finish",
  "finish",
  "refusal",
  "failed overloaded"
])
const Chunk = Schema.Array(Part).check(Schema.isMinLength(1), Schema.isMaxLength(3))
const Script = Schema.Struct({
  steps: Schema.Array(Schema.Union([Chunk, Chunk, int(0, 4_000)])).check(Schema.isMaxLength(6)),
  end: Schema.Literals(["ends", "ends", "fails", "hangs"])
})
const streams = Arbitrary.array(
  Arbitrary.schema(Schema.Struct({ scripts: Schema.Tuple([Script, Script, Script, Script]), rescue: int(0, 4) })),
  { maxLength: 6 }
)

/** The script of a target, whose parts say whose they are. */
const labelled = (name: string, { end, steps }: typeof Script.Type): ReadonlyArray<Step> => [
  ...steps.map((step) => typeof step === "number" ? step : step.map((part) => `${part} ${name}`)),
  ...(end === "fails" ? [new ProviderFailed()] : end === "hangs" ? [Effect.never] : [])
]
const partsOf = (script: ReadonlyArray<Step>) =>
  script.flatMap((step) => Array.isArray(step) ? step as ReadonlyArray<string> : [])
const signal = (part: string) =>
  classifyPart(part.startsWith("failed") ? part.split(" ").slice(0, 2).join(" ") : part.split(" ")[0]!)
const isOneOf = (...tags: ReadonlyArray<string>) => (part: string) => tags.includes(signal(part)._tag)

describe("every stream", () => {
  it.effect.prop(
    "is of one target, from its beginning, and whole unless it fails",
    { streams },
    (given) =>
      Effect.gen(function*() {
        for (const { rescue, scripts } of given.streams) {
          const script = (name: string) => labelled(name, scripts[names.indexOf(name)]!)
          const asked: Array<string> = []
          const seen: Array<string> = []
          const fiber = yield* FailoverRouter.stream("chat", ({ name }) => {
            asked.push(name)
            return provider(...script(name))
          }, { classifyPart: signal, rescue }).pipe(
            Stream.runForEach((part) => Effect.sync(() => seen.push(part))),
            Effect.forkChild
          )
          yield* TestClock.adjust("2 minutes")
          // No limit ends the wait for a tool.
          if (fiber.pollUnsafe() === undefined) assert.isTrue(seen.slice(-1).some(isOneOf("Waiting")), "hangs")
          yield* Fiber.interrupt(fiber)
          const exit = yield* Fiber.await(fiber)

          assert.strictEqual(new Set(asked).size, asked.length, "a target was asked twice")
          const last = asked.at(-1)
          const whole = last === undefined ? [] : partsOf(script(last))
          assert.deepStrictEqual(seen, whole.slice(0, seen.length), "parts of another target, or out of order")
          if (Exit.isSuccess(exit)) {
            // Silence after the finish is the end.
            assert.isTrue(seen.length === whole.length || seen.some(isOneOf("Finish")), "a part is missing")
            assert.isTrue(seen.some(isOneOf("Finish", "Failed")), "a stream without an end was whole")
            continue
          }
          if (Exit.hasInterrupts(exit)) continue
          const error = errorIn(exit)
          if (FailoverError.isFailoverError(error)) {
            assert.deepStrictEqual(ran(error).map(({ target }) => target), asked)
            assert.deepStrictEqual(seen, [], "a target gave parts, and then it had not")
            continue
          }
          assert.isTrue(
            error instanceof ProviderFailed || CircuitError.isCircuitBreakerError(error),
            Cause.pretty(exit.cause)
          )
          // It was let through before it failed: it was the answer by then.
          assert.isTrue(seen.some(isOneOf("Content", "Waiting", "Finish", "Failed")))
          const isCut = CircuitError.isCircuitBreakerError(error)
          if (isCut) assert.isFalse(seen.some(isOneOf("Finish")))
        }
      }).pipe(
        Effect.provide(
          route(
            { targets, firstContentTimeout: "5 seconds", idleTimeout: "5 seconds", deadline: "12 seconds" },
            {
              classify: (exit) =>
                errorIn(exit) instanceof ProviderFailed ? Outcome.failure("connection") : classify(exit)
            },
            { openDuration: "50 seconds" }
          )
        )
      ),
    { arbitrary: { runs: 300, size: 20 } }
  )
})
