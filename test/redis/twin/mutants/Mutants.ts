import type { Script } from "../script.ts"

/** Fails for a script that is not what it should be. */
export type Check = (script: Script) => Promise<unknown>

/** Faults of the script, each by its name and a replacement in the text, and the check that finds all of them. */
export interface Mutants {
  readonly check: Check
  readonly faults: ReadonlyArray<readonly [name: string, from: string, to: string]>
}
