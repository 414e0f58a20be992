/** The simulation finds every engine that is broken on purpose, within so many seeds. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { vi } from "vitest"
import type { Mutant } from "./mutants.ts"
import type { Violation } from "./simulation.ts"

const planted = vi.hoisted(() => ({ mutant: undefined as Mutant | undefined }))

/** The functions of a module, each as the planted mutant has it. */
const broken = vi.hoisted(() => (real: Record<string, unknown>) =>
  Object.fromEntries(
    Object.entries(real).map(([name, value]) => {
      if (typeof value !== "function") return [name, value]
      const call = (...args: ReadonlyArray<unknown>): unknown => {
        const functions = planted.mutant?.functions as
          | Record<string, ((real: unknown) => typeof call) | undefined>
          | undefined
        return (functions?.[name]?.(value) ?? value as typeof call)(...args)
      }
      return [name, call]
    })
  )
)

vi.mock("../../src/internal/machine/admit.ts", async (original) => broken(await original()))
vi.mock("../../src/internal/machine/steer.ts", async (original) => broken(await original()))
vi.mock("../../src/internal/machine/slots.ts", async (original) => broken(await original()))
vi.mock("../../src/internal/shared/settlement.ts", async (original) => broken(await original()))
vi.mock("../../src/internal/shared/teaching.ts", async (original) => broken(await original()))

// Other files of this worker have the modules as they are: these are loaded anew, and let go afterwards.
vi.resetModules()
const { mutants } = await import("./mutants.ts")
const { planOf } = await import("./plan.ts")
const { simulate } = await import("./simulation.ts")
afterAll(() => {
  vi.resetModules()
})

const seeds = 120

const firstViolation = (mutant: Mutant): (Violation & { readonly seed: number }) | undefined => {
  planted.mutant = mutant
  const mend = mutant.classes?.()
  try {
    for (let seed = 1; seed <= seeds; seed++) {
      const { violation } = simulate(planOf(seed), { wrap: mutant.store })
      if (violation !== undefined) return { ...violation, seed }
    }
    return undefined
  } finally {
    mend?.()
    planted.mutant = undefined
  }
}

describe("a simulation finds an engine", () => {
  it.each(mutants)("$name", (mutant) => {
    const found = firstViolation(mutant)
    assert.include(mutant.breaks, found?.promise, found?.detail)
  })
})
