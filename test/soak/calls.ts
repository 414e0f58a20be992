/** The ways to call through a breaker, each of which knows how it has to end. */
import { Effect, Exit, Fiber } from "effect"
import { CircuitBreaker, CircuitError, FailoverError, FailoverRouter, LlmRetry, Outcome } from "effect-resilience"
import { Attempt, compare, type Verdict } from "./Attempt.ts"
import { perform } from "./Dependency.ts"
import type { Dice } from "./Dice.ts"
import type { Member } from "./Member.ts"
import { attemptLimit, nested, policyOf, route, targetOf } from "./targets.ts"

type Services = CircuitBreaker.CircuitBreaker | FailoverRouter.FailoverRouter

/** A call, made and judged. */
export type Call = (member: Member, key: string, dice: Dice) => Effect.Effect<Verdict, never, Services>

/** An attempt at a key that its member counts. */
export const attemptAt = (member: Member, key: string): Attempt => {
  const calls = member.recorder.callsOf(key)
  return new Attempt(() => void calls.ran++)
}

const partAt = (member: Member, key: string): Attempt => {
  const calls = member.recorder.callsOf(key)
  return new Attempt(() => void calls.parts++)
}

const ask = (member: Member, key: string, attempt: Attempt, dice: Dice) =>
  attempt.watch(perform(member.dependency.plan(targetOf(key), dice)))

const guarded = (member: Member, key: string, attempt: Attempt, dice: Dice) =>
  ask(member, key, attempt, dice).pipe(CircuitBreaker.execute({ key }))

const executed: Call = (member, key, dice) =>
  Effect.suspend(() => {
    const attempt = attemptAt(member, key)
    const call = guarded(member, key, attempt, dice)
    const span = dice.chance(0.2) ? Effect.withSpan(call, "call") : call
    const from = performance.now()
    return Effect.map(Effect.exit(span), (exit) => ({
      ...compare(attempt, exit, { limits: attemptLimit(key) }),
      addedMillis: performance.now() - from - attempt.millis
    }))
  })

const interrupted: Call = (member, key, dice) =>
  Effect.gen(function*() {
    const attempt = attemptAt(member, key)
    const fiber = yield* Effect.forkChild(guarded(member, key, attempt, dice))
    if (dice.chance(0.7)) yield* Effect.sleep(dice.between(0, 15))
    const from = performance.now()
    yield* Fiber.interrupt(fiber)
    const verdict = compare(attempt, yield* Fiber.await(fiber), { left: true, limits: attemptLimit(key) })
    return { ...verdict, addedMillis: performance.now() - from }
  })

const timedOut: Call = (member, key, dice) =>
  Effect.gen(function*() {
    const attempt = attemptAt(member, key)
    const call = Effect.timeoutOption(guarded(member, key, attempt, dice), dice.between(1, 15))
    const exit = yield* Effect.exit(call)
    if (Exit.isFailure(exit)) return compare(attempt, exit, { limits: attemptLimit(key) })
    if (exit.value._tag === "Some") return compare(attempt, Exit.succeed(exit.value.value))
    return { result: "timed out", wrong: attempt.running === 0 ? undefined : "it still runs" }
  })

// The permit and the count of what ran belong together, so nothing interrupts between them.
const acquired: Call = (member, key, dice) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const attempt = attemptAt(member, key)
      const taken = yield* Effect.exit(CircuitBreaker.acquire(key))
      if (Exit.isFailure(taken)) return compare(attempt, taken)
      const exit = yield* Effect.exit(restore(ask(member, key, attempt, dice)))
      const outcome = policyOf(key).classify!(exit)
      // Who forgets to settle, or does it twice, is no worse off.
      const settles = dice.pick([0, 1, 1, 1, 2])
      for (let settled = 0; settled < settles; settled++) yield* taken.value.settle(outcome)
      if (settles === 2) yield* taken.value.settle(Outcome.openNow("unknown"))
      return compare(attempt, exit)
    })
  ).pipe(Effect.scoped)

// In a call of another key both are judged; in a probe of its own key it is a part of that.
const inside: Call = (member, key, dice) =>
  Effect.gen(function*() {
    const outer = attemptAt(member, key)
    const inner = key === nested ? partAt(member, key) : attemptAt(member, nested)
    const call = outer.watch(guarded(member, nested, inner, dice)).pipe(CircuitBreaker.execute({ key }))
    const exit = yield* Effect.exit(call)
    if (outer.exit !== undefined && inner.ran > 0) {
      // The limit of the outer call is an interruption to the inner one.
      const verdict = compare(inner, outer.exit, { left: attemptLimit(key).length > 0 })
      if (verdict.wrong !== undefined) return verdict
    }
    return compare(outer, exit, { limits: attemptLimit(key) })
  })

const retried: Call = (member, key, dice) =>
  Effect.suspend(() => {
    const attempts = 3
    const made: Array<Attempt> = []
    const call = Effect.suspend(() => {
      const attempt = attemptAt(member, key)
      made.push(attempt)
      return guarded(member, key, attempt, dice)
    })
    const policy = LlmRetry.policy({ attempts, base: "5 millis", maxWait: "200 millis", deadline: "500 millis", key })
    return Effect.map(Effect.exit(Effect.retry(call, policy)), (exit) => {
      if (made.length > attempts) return { result: "retried", wrong: `${made.length} attempts` }
      return compare(made.at(-1)!, exit, { limits: attemptLimit(key) })
    })
  })

const routed: Call = (member, _key, dice) =>
  Effect.gen(function*() {
    const made = new Map<string, Attempt>()
    const legs: Array<string> = []
    const call = FailoverRouter.execute(route, ({ key, name }) => {
      legs.push(name)
      const attempt = attemptAt(member, key)
      made.set(name, attempt)
      return ask(member, key, attempt, dice)
    }, dice.chance(0.3) ? { stickyKey: `user-${dice.between(1, 50)}` } : {})
    const exit = yield* Effect.exit(call)
    if (new Set(legs).size < legs.length) return { result: "routed", wrong: `asked ${legs.join(", ")}` }
    const error = Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
    if (error?._tag === "Some" && FailoverError.isFailoverError(error.value)) {
      const asked = new Set(error.value.attempts.flatMap(({ ran, target }) => ran ? [target] : []))
      const lies = [...made].some(([target, { ran }]) => asked.has(target) !== (ran > 0)) || asked.size > made.size
      return {
        result: error.value.reason._tag,
        wrong: lies ? `${error.value.message}, but ${legs.join(", ")}` : undefined
      }
    }
    if (error?._tag === "Some" && CircuitError.isCircuitBreakerError(error.value)) {
      return { result: "rejected", wrong: "a circuit's rejection came through the router" }
    }
    const last = made.get(legs.at(-1) ?? "")
    return last === undefined ? { result: "routed", wrong: `${exit}, and nobody was asked` } : compare(last, exit)
  })

/** By name, with how often they are made. */
export const calls = {
  execute: [executed, 40],
  interrupt: [interrupted, 12],
  timeout: [timedOut, 8],
  acquire: [acquired, 10],
  nested: [inside, 6],
  retry: [retried, 8],
  route: [routed, 10]
} as const satisfies Record<string, readonly [Call, number]>
