/** What has to hold when nobody calls any more. */
import { Effect } from "effect"
import type { Findings } from "./Findings.ts"
import type { Shift } from "./load.ts"
import type { Member } from "./Member.ts"
import { idleMillis, type Phase } from "./phases.ts"
import { route, steered } from "./targets.ts"

/** How long the last calls, and the store after the last fault, may take. */
const restMillis = 15_000

/** Waits until nobody calls and all that was broken is mended; whatever does not come to rest is found. */
export const rested = Effect.fnUntraced(function*(shift: Shift, phases: ReadonlyArray<Phase>, findings: Findings) {
  for (const { dependency } of phases) dependency.heal()
  const members = phases.flatMap(({ members }) => members)
  const quiet = Effect.sync(() => shift.inFlight === 0)
  const healthy = Effect.sync(() => phases.every(({ isHealthy }) => isHealthy()))
  const nobodyProbes = Effect.map(
    Effect.forEach(members, ({ probing }) => probing),
    (probes) => probes.every((probes) => probes === 0)
  )
  const home = Effect.map(
    Effect.forEach(members, ({ router }) => Effect.orDie(router.isFailedOver(route))),
    (away) => !away.includes(true)
  )
  yield* inTime("every call ends", quiet, findings)
  yield* inTime("a store that is back is found", healthy, findings)
  yield* Effect.forEach(members, release)
  yield* inTime("routes come home", home, findings)
  yield* inTime("no probe slot is lost", nobodyProbes, findings)
  // A look at all circuits drops the idle ones.
  yield* Effect.sleep(2 * idleMillis)
  yield* Effect.forEach(members, ({ breaker }) => breaker.states)
})

// Of what an operator undid while a shared store was away, the hold may have been brought in and the end of it not.
const release = ({ breaker }: Member) =>
  Effect.forEach(
    steered,
    (key) =>
      Effect.flatMap(breaker.state(key), (state) =>
        state._tag === "ForcedOpen" || state._tag === "Disabled" ? breaker.reset(key) : Effect.void),
    { discard: true }
  )

const inTime = Effect.fnUntraced(function*(rule: string, holds: Effect.Effect<boolean>, findings: Findings) {
  const from = performance.now()
  while (!(yield* holds)) {
    if (performance.now() - from > restMillis) {
      const what = `not after ${restMillis / 1000} s`
      return findings.add("all", { rule, key: "", what, excusable: false }, () => [])
    }
    yield* Effect.sleep("20 millis")
  }
})

/** At the end every admitted call has ended once, and every circuit can be used again. */
export const check = Effect.fnUntraced(function*(phases: ReadonlyArray<Phase>, findings: Findings) {
  for (const { members } of phases) {
    for (const member of members) {
      member.recorder.checkCalls()
      for (const key of steered) yield* comesBack(member, key, findings)
    }
  }
})

const comesBack = Effect.fnUntraced(function*(member: Member, key: string, findings: Findings) {
  const state = yield* member.breaker.state(key)
  const call = Effect.succeed("back").pipe(
    member.breaker.execute({ key }),
    Effect.tapError(() => Effect.sleep("20 millis")),
    Effect.retry({ times: 250 }),
    Effect.result
  )
  const result = yield* call
  if (result._tag === "Success") return
  const what = `still ${result.failure.reason._tag}, from ${state._tag}`
  findings.add(member.name, { rule: "every circuit admits again", key, what, excusable: false }, () => [])
})
