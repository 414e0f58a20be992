/** Calls that go round many keys. Where a breaker has no keys, there is one for each in a map. */
import { Effect } from "effect"
import { CircuitBreaker } from "effect-resilience"
import { CircuitBreaker as EffectBreaker } from "effect/persistence"
import { answer, answering, resolving } from "../loops.ts"
import { keysOf } from "../memory/bytes.ts"
import { subjects } from "./axes.ts"
import * as breakers from "./breakers.ts"
import { curve } from "./curve.ts"

const call = Effect.succeed(answer)

const round = (keys: ReadonlyArray<string>) => {
  let next = 0
  return () => {
    const key = keys[next]!
    next = next + 1 === keys.length ? 0 : next + 1
    return key
  }
}

const ours = curve("keys", subjects.ours, (size, name) =>
  Effect.gen(function*() {
    const key = round(keysOf(size))
    const guarded = Effect.suspend(() => CircuitBreaker.execute(call, { key: key() }))
    const self = answering(name, guarded, yield* breakers.ours())
    yield* self.run(size)
    return self
  }))

const persistence = curve("keys", subjects.persistence, (size, name) =>
  Effect.gen(function*() {
    const key = round(keysOf(size))
    const guarded = EffectBreaker.CircuitBreaker.use(({ execute }) => execute(call, { key: key() }))
    const self = answering(name, guarded, yield* breakers.persistence())
    yield* self.run(size)
    return self
  }))

const cockatiel = curve("keys", subjects.cockatiel, (size, name) =>
  Effect.sync(() => {
    const keys = keysOf(size)
    const key = round(keys)
    const ofKeys = new Map(keys.map((key) => [key, breakers.cockatiel()]))
    return resolving(name, () => ofKeys.get(key())!.execute(() => answer))
  }))

export const keys = Effect.map(Effect.all([ours, persistence, cockatiel]), (curves) => curves.flat())

/** Each breaker of opossum has timers of its own, and those of ten thousand keep a process busy: measured by itself. */
export const ofTimers = curve("keys", subjects.opossum, (size, name) =>
  Effect.gen(function*() {
    const keys = keysOf(size)
    const key = round(keys)
    const made = yield* Effect.forEach(keys, () => breakers.opossum(async () => answer))
    const ofKeys = new Map(keys.map((key, i) => [key, made[i]!]))
    return resolving(name, () => ofKeys.get(key())!.fire())
  }), 10_000)
