/** The course of an outage of the store, and what none of them may break. */
import { assert } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Latch } from "effect"
import { eventually } from "../../support/eventually.ts"
import {
  all,
  assertNoOutage,
  assertOneOutage,
  call,
  cooldown,
  down,
  forms,
  type Member,
  repeated,
  stateOf,
  tells,
  trip,
  up
} from "./faults.ts"

/**
 * - `strikes`, `ends`: what breaks the store, and what repairs it.
 * - `codes`: what the members may say of it, whichever notices it first.
 * - `spares`: whether it only breaks the store of the first member.
 * - `lasts`: for how many milliseconds more than the course of an outage takes anyway.
 */
export interface Fault {
  readonly strikes: Effect.Effect<unknown, unknown>
  readonly ends: Effect.Effect<unknown, unknown>
  readonly codes: ReadonlyArray<string>
  readonly spares?: boolean | undefined
  readonly lasts?: number | undefined
}

/** Two members of a fleet live through it: nobody waits, nothing is lost, all are protected, and then they agree. */
export const assertHarmless = Effect.fnUntraced(function*([one, other]: readonly [Member, Member], fault: Fault) {
  for (const member of [one, other]) {
    for (const key of ["used", "long/counted", "long/opened", "long/held", "long/contested"]) {
      assert.strictEqual(yield* up(member, key), "hello")
    }
  }
  yield* trip(one, "due")
  yield* cooldown

  yield* fault.strikes
  yield* assertSoonDegraded(one)
  yield* assertResultsKept(one)
  yield* assertProtected(one)
  yield* trip(one, "long/opened")
  yield* trip(other, "long/contested")
  yield* one.breaker.forceOpen("long/held", { for: "1 hour", reason: "maintenance" })
  yield* other.breaker.forceOpen("long/held", { for: "30 minutes", reason: "maintenance" })

  yield* Effect.sleep(fault.lasts ?? 0)
  yield* fault.ends
  const hit = fault.spares === true ? [one] : [one, other]
  yield* Effect.forEach(hit, (member) => tells(member, "store.recovered"))
  yield* assertAgreed(one, other)
  yield* Effect.forEach(hit, (member) => assertOneOutage(member, fault.codes))
  if (fault.spares === true) yield* assertNoOutage(other)
})

/** The calls that find out end while the store is still away, and those after them wait for nothing (I119). */
const assertSoonDegraded = Effect.fnUntraced(function*(member: Member) {
  const results = yield* all([
    down(member, "long/counted"),
    call(member, "new", Effect.succeed("first read")),
    call(member, "due", Effect.succeed("probe"))
  ])
  assert.deepStrictEqual(results, ["503", "first read", "probe"])
  yield* tells(member, "store.degraded")
  // What the store does not know counts all the same.
  assert.deepStrictEqual(yield* repeated(2, down(member, "long/counted")), ["503", "CircuitOpen"])

  const failed = yield* member.failed
  yield* repeated(25, all([up(member, "many"), down(member, "many")]))
  assert.strictEqual(yield* member.failed, failed, "fifty calls")
})

/** Whatever a call comes to is what it came to by itself (I116, I117, I118). */
const assertResultsKept = Effect.fnUntraced(function*(member: Member) {
  const exits = [Exit.succeed("hello"), Exit.fail("503"), Exit.die(new Error("defect"))]
  for (const [form, through] of Object.entries(forms)) {
    for (const exit of exits) assert.deepStrictEqual(yield* Effect.exit(through(member, `kept/${form}`, exit)), exit)
    const fiber = yield* Effect.forkChild(through(member, `kept/interrupted/${form}`, Effect.never))
    yield* Effect.sleep("5 millis")
    yield* Fiber.interrupt(fiber)
    const exit = yield* Fiber.await(fiber)
    assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
  }
})

/** A circuit opens, gives one probe after its deadline, and closes again (I120). */
const assertProtected = Effect.fnUntraced(function*(member: Member) {
  assert.deepStrictEqual(yield* repeated(3, down(member, "local")), ["503", "503", "CircuitOpen"])
  yield* cooldown
  const answered = Latch.makeUnsafe()
  const probe = yield* Effect.forkChild(call(member, "local", Effect.as(answered.await, "probe")))
  yield* eventually(Effect.map(stateOf(member, "local"), (state) => state === "HalfOpen"))
  assert.deepStrictEqual(yield* repeated(3, up(member, "local")), Array(3).fill("CircuitHalfOpen"))
  yield* answered.open
  assert.strictEqual(yield* Fiber.join(probe), "probe")
  assert.strictEqual(yield* up(member, "local"), "hello")
})

/** What was opened stays open for all, until the later deadline, and they act as one again. */
const assertAgreed = Effect.fnUntraced(function*(one: Member, other: Member) {
  for (const member of [one, other]) {
    for (const key of ["long/counted", "long/opened", "long/contested"]) {
      assert.strictEqual(yield* stateOf(member, key), "Open", key)
    }
    const held = yield* member.breaker.state("long/held")
    assert.isTrue(held._tag === "ForcedOpen" && held.note === "maintenance")
    assert.isTrue(held._tag === "ForcedOpen" && Duration.toMinutes(held.retryAfter!) > 59)
    for (const key of ["used", "new", "local"]) assert.strictEqual(yield* up(member, key), "hello")
    // A claim that was carried out too late holds its slot for a lease.
    yield* eventually(Effect.map(up(member, "due"), (result) => result === "hello"))
  }
  const turns = [[one, other, "long/one"], [other, one, "long/other"]] as const
  for (const [opener, caller, key] of turns) {
    assert.strictEqual(yield* up(caller, key), "hello")
    yield* trip(opener, key)
    yield* eventually(Effect.map(up(caller, key), (result) => result === "CircuitOpen"))
  }
})
