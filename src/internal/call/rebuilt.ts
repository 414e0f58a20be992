/** Recognises a breaker that is built anew for each call: it forgets its circuits with every call, and never opens. */
import { Clock, Context, Effect, type Scope } from "effect"
import type { CircuitStore } from "../../CircuitStore.ts"
import { circuitMillis } from "../clock/time.ts"

// In an outage so many calls fail within seconds. A suite of tests seldom fails one call of one key so often in a row.
const enough = 10

// By key, because a layer may be written where its call is, with a policy of its own at every call.
const timesForgotten = new Map<string, number>()
const mostKeys = 100

/**
 * Follows one build of a breaker to its close, and warns once when many in a row forgot a failure of the same key.
 *
 * A build forgets a failure if its store was empty when it began, and if every circuit that has failed by its close is
 * closed and has failed once. A store that outlives the breaker is not empty at the next build. Any other end begins
 * the counts of its keys again: a circuit that is open, one that has failed twice, or no failure at all. Virtual time
 * is that of tests, which build a breaker each, so nothing is counted there.
 */
export const followBuild = (store: CircuitStore["Service"]): Effect.Effect<void, never, Scope.Scope> =>
  Effect.withFiber((fiber) => {
    const clock = fiber.getRef(Clock.Clock)
    const circuits = () => store.circuits(circuitMillis(clock))
    if (clock !== Context.get(Context.empty(), Clock.Clock) || circuits().length > 0) return Effect.void
    const closed = Effect.suspend(() => {
      const states = circuits().map((circuit) => circuit.view(clock))
      const failures = states.map((state) => state._tag === "Closed" ? state.consecutiveFailures : enough)
      if (Math.max(...failures) !== 1 || timesForgotten.size > mostKeys) {
        for (const { key } of states) timesForgotten.delete(key)
        return Effect.void
      }
      const { key } = states[failures.indexOf(1)]!
      const times = (timesForgotten.get(key) ?? 0) + 1
      timesForgotten.set(key, times)
      return times !== enough ? Effect.void : Effect.logWarning(
        `Circuit "${key}" was forgotten ${enough} times in a row after one failed call: a breaker that is built for ` +
          "each call never opens. Build its layer once: provide it around the program, or use ManagedRuntime."
      )
    })
    // Whatever a logger throws, the caller's effect ends as it did.
    return Effect.addFinalizer(() => Effect.exit(closed))
  })
