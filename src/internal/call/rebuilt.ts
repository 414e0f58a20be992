/** Recognises a breaker that is built anew for each call: it forgets its circuits with every call, and never opens. */
import { Clock, Context, Effect, type Scope } from "effect"
import type { CircuitStore } from "../../CircuitStore.ts"
import { circuitMillis } from "../clock/time.ts"

// In an outage so many calls fail within seconds. A suite of tests seldom fails one call of one key so often in a row.
const enough = 10

/** How often in a row a build forgot a failure of the same key. */
interface Forgotten {
  readonly key: string
  readonly times: number
}

// By policy, because every build of a layer has the same and is another breaker.
const histories = new WeakMap<object, Forgotten>()

/**
 * Follows one build of a breaker to its close, and warns once for each policy when many in a row forgot a failure of
 * the same key.
 *
 * A build forgets a failure if its store was empty when it began, and if every circuit that has failed by its close is
 * closed and has failed once. A store that outlives the breaker is not empty at the next build. Any other end begins
 * the count again: a circuit that is open, one that has failed twice, or no failure at all. Virtual time is that of
 * tests, which build a breaker each, so nothing is counted there.
 */
export const followBuild = (
  policy: object,
  store: CircuitStore["Service"]
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const circuits = () => store.circuits(circuitMillis(clock))
    if (clock !== Context.get(Context.empty(), Clock.Clock) || circuits().length > 0) return Effect.void
    const closed = Effect.suspend(() => {
      const former = histories.get(policy)
      if (former?.times === enough) return Effect.void
      const failed = circuits().map((circuit) => circuit.view(clock)).filter((state) =>
        state._tag !== "Closed" || state.consecutiveFailures > 0
      )
      const isForgotten = failed.every((state) => state._tag === "Closed" && state.consecutiveFailures === 1)
      const key = isForgotten ? failed[0]?.key : undefined
      if (key === undefined) {
        histories.delete(policy)
        return Effect.void
      }
      const times = key === former?.key ? former.times + 1 : 1
      histories.set(policy, { key, times })
      return times < enough ? Effect.void : Effect.logWarning(
        `Circuit "${key}" was forgotten ${enough} times in a row after one failed call: a breaker that is built for ` +
          "each call never opens. Build its layer once: provide it around the program, or use ManagedRuntime."
      )
    })
    // Whatever a logger throws, the caller's effect ends as it did.
    return Effect.addFinalizer(() => Effect.exit(closed))
  })
