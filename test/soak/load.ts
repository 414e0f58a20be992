/** Those who call a member all day, and the operator who steers it. */
import { Effect, type Latch, Stream } from "effect"
import type { Verdict } from "./Attempt.ts"
import { type Call, calls } from "./calls.ts"
import type { Dice } from "./Dice.ts"
import type { LateMachine } from "./LateMachine.ts"
import type { Member } from "./Member.ts"
import { routedStream, streamed } from "./streamCalls.ts"
import { nested, steady, steered, tenant, tenants } from "./targets.ts"

const forms: Readonly<Record<string, readonly [Call, number]>> = {
  ...calls,
  stream: [streamed, 10],
  "routed stream": [routedStream, 4]
}
const weights = Object.fromEntries(Object.entries(forms).map(([name, [, weight]]) => [name, weight]))

/** Everybody works while it is open. */
export interface Shift {
  readonly open: Latch.Latch
  readonly late: LateMachine
  /** Calls on their way, of all members. */
  inFlight: number
  over: boolean
}

/** One caller: makes a call, thinks, and makes the next one. */
export const caller = (member: Member, shift: Shift, dice: Dice) =>
  Effect.forever(Effect.gen(function*() {
    yield* shift.open.await
    yield* Effect.sleep(dice.between(2, 30))
    if (!shift.open.isOpen()) return
    const name = dice.weighted(weights)
    const key = keyFor(name, dice)
    shift.inFlight++
    const from = performance.now()
    const verdict = yield* forms[name]![0](member, key, dice)
    shift.inFlight--
    note(member, name, key, verdict)
    if (verdict.addedMillis !== undefined) time(member, key, verdict.addedMillis, shift.late.since(from))
  })).pipe(
    Effect.onExit((exit) => Effect.sync(() => shift.over || member.recorder.found("the load goes on", "", `${exit}`))),
    Effect.provideContext(member.context)
  )

let nextTenant = 0

const keyFor = (name: string, dice: Dice): string => {
  if (name === "nested") return dice.pick([nested, ...steady])
  if (dice.chance(0.25)) return tenant(nextTenant++ % tenants)
  return dice.pick(steady)
}

const note = (member: Member, name: string, key: string, { result, wrong }: Verdict): void => {
  const counted = `${name}: ${result}`
  member.results.set(counted, (member.results.get(counted) ?? 0) + 1)
  if (wrong !== undefined) member.recorder.found("a call keeps its result", key, `${name}: ${wrong}`)
}

const time = (member: Member, key: string, addedMillis: number, lateMillis: number): void => {
  const added = addedMillis - lateMillis
  member.longestAdded = Math.max(member.longestAdded, added)
  if (added <= member.addedMillis) return
  const what = `${addedMillis.toFixed(0)} ms, of which the machine was late for ${lateMillis.toFixed(0)}`
  member.recorder.found("the time that the breaker adds is bounded", key, what)
}

/** Holds circuits open, resets, disables and enables them. */
export const operator = (member: Member, shift: Shift, dice: Dice) =>
  Effect.forever(Effect.gen(function*() {
    yield* shift.open.await
    yield* Effect.sleep(dice.between(50, 300))
    if (!shift.open.isOpen()) return
    shift.inFlight++
    yield* steer(member, dice.pick(steered), dice)
    shift.inFlight--
  }))

const steer = Effect.fnUntraced(function*({ breaker, name, router }: Member, key: string, dice: Dice) {
  const who = { reason: "practice", actor: name }
  switch (dice.pick(["hold", "hold twice", "hold for good", "reset", "disable", "enable", "look"] as const)) {
    case "hold":
      return yield* breaker.forceOpen(key, { ...who, for: dice.between(50, 600) })
    case "hold twice":
      // The longer one stands.
      yield* breaker.forceOpen(key, { ...who, for: dice.between(300, 600) })
      return yield* breaker.forceOpen(key, { ...who, for: dice.between(10, 50) })
    case "hold for good":
      yield* breaker.forceOpen(key, who)
      yield* Effect.sleep(dice.between(50, 400))
      return yield* breaker.reset(key, who)
    case "reset":
      return yield* breaker.reset(key, who)
    case "disable":
      yield* breaker.disable(key, who)
      yield* Effect.sleep(dice.between(50, 400))
      return yield* breaker.enable(key, who)
    case "enable":
      return yield* breaker.enable(key, who)
    case "look":
      yield* breaker.state(key)
      yield* breaker.states
      yield* router.snapshot
  }
})

/** Listeners that come, hear a little, and go. */
export const listener = (member: Member, shift: Shift, dice: Dice) =>
  Effect.forever(Effect.gen(function*() {
    yield* shift.open.await
    const hear = Effect.scoped(Effect.andThen(
      member.breaker.observe({ name: "passing", onEvent: () => {}, onCircuit: () => ({ onCall: () => {} }) }),
      Effect.sleep(dice.between(10, 200))
    ))
    const follow = Effect.timeoutOption(Stream.runDrain(Stream.take(member.breaker.events, dice.between(1, 50))), 200)
    yield* Effect.all([hear, follow], { concurrency: 2, discard: true })
  }))
