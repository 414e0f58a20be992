/** Observers in a context: each under a key of its own, so that layers of observers merge without losing any. */
import { Context } from "effect"
import type { CircuitObserver } from "../../CircuitObserver.ts"

const prefix = "effect-resilience/CircuitObserver/"
let added = 0

export const contextOf = (observer: CircuitObserver): Context.Context<never> =>
  Context.makeUnsafe(new Map([[`${prefix}${added++}`, observer]]))

/** Those of a context, in the order in which they were added. */
export const observersIn = (context: Context.Context<never>): ReadonlyArray<CircuitObserver> =>
  Array.from(context.mapUnsafe)
    .filter(([key]) => key.startsWith(prefix))
    .sort(([one], [other]) => Number(one.slice(prefix.length)) - Number(other.slice(prefix.length)))
    .map(([, observer]) => observer)
