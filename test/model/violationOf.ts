import { assert } from "@effect/vitest"
import { Violation } from "./walk.ts"

/** What a walk finds. Fails if it finds nothing. */
export const violationOf = (walk: () => unknown): Violation => {
  try {
    walk()
  } catch (error) {
    if (error instanceof Violation) return error
    throw error
  }
  return assert.fail("the walk found nothing")
}
