/** A hook that is misspelt would never be called. */
import { checkOptions } from "../options/known.ts"
import { invalid, optionalFunction } from "../options/validation.ts"
import type { CircuitObserver } from "./observer.ts"

const hooks: Record<Exclude<keyof CircuitObserver, "name">, true> = {
  onEvent: true,
  onCircuit: true,
  onStoreOperation: true,
  onRoute: true,
  onUnguarded: true,
  onAttempt: true,
  onFault: true
}

export const checkObserver = (observer: CircuitObserver): void => {
  if (Object(observer) !== observer) invalid("observer", observer, "an object")
  if (typeof observer.name !== "string") invalid("observer.name", observer.name, "a string")
  // Beside its hooks an observer may have whatever it remembers.
  const named = Object.entries(observer).filter(([name]) => /^on[A-Z]/.test(name))
  checkOptions<typeof hooks>(Object.fromEntries(named) as typeof hooks, hooks, "observer")
  for (const hook of Object.keys(hooks) as ReadonlyArray<keyof typeof hooks>) {
    optionalFunction(`observer.${hook}`, observer[hook])
  }
}
