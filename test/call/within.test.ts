import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { within } from "../../src/internal/call/within.ts"

const limit = { duration: Duration.seconds(1), orElse: () => Effect.succeed("late") }

describe("an effect within a time", () => {
  it.effect("keeps its value, its error and its defect, whether it ends at once or later", () =>
    Effect.gen(function*() {
      for (const exit of [Exit.succeed("value"), Exit.fail("error"), Exit.die("bug")]) {
        assert.deepStrictEqual(yield* Effect.exit(within(exit, limit)), exit)
        const later = yield* Effect.forkChild(Effect.exit(within(Effect.delay(exit, "999 millis"), limit)))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(later), exit)
      }
    }))

  it.effect("is interrupted when its time is over, and waited for", () =>
    Effect.gen(function*() {
      const left = Effect.onInterrupt(Effect.never, () => Effect.sleep("1 minute"))
      const fiber = yield* Effect.forkChild(within(left, limit))
      yield* TestClock.adjust("30 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* Fiber.join(fiber), "late")
    }))

  it.effect("may run again when it has ended, and ends with its caller then too", () =>
    Effect.gen(function*() {
      let runs = 0
      let released = false
      const left = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void (released = true)))
      const limited = within(Effect.suspend(() => ++runs === 1 ? Effect.succeed("first") : left), limit)
      assert.strictEqual(yield* limited, "first")
      yield* Fiber.interrupt(yield* Effect.forkChild(limited, { startImmediately: true }))
      assert.isTrue(released)
    }))

  it.effect.each([["while it runs", Effect.never], ["by itself, as it begins", undefined]] as const)(
    "is interrupted with its caller: %s",
    ([, self]) =>
      Effect.gen(function*() {
        let released = false
        let caller: Fiber.Fiber<unknown> | undefined
        const begins = Effect.andThen(Effect.sync(() => caller?.interruptUnsafe()), Effect.never)
        const call = Effect.onInterrupt(self ?? begins, () => Effect.sync(() => void (released = true)))
        caller = yield* Effect.forkChild(Effect.andThen(Effect.yieldNow, within(call, limit)))
        yield* TestClock.adjust(1)
        if (self !== undefined) yield* Fiber.interrupt(caller)
        const exit = yield* Fiber.await(caller)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
        assert.isTrue(released)
      })
  )
})
