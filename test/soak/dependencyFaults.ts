/** What goes wrong with the dependency: each of its targets has a trouble of its own, for a while. */
import { Effect, type Latch } from "effect"
import type { Dependency, Mode } from "./Dependency.ts"
import type { Dice } from "./Dice.ts"
import { faulty } from "./targets.ts"

const modes: ReadonlyArray<Mode> = ["down", "down", "slow", "throttling", "out of quota", "buggy"]

export const run = (dependency: Dependency, open: Latch.Latch, done: Map<string, number>, dice: Dice) =>
  Effect.forever(Effect.gen(function*() {
    yield* open.await
    const target = dice.pick(faulty)
    const mode = dice.pick(modes)
    done.set(mode, (done.get(mode) ?? 0) + 1)
    dependency.set(target, mode)
    yield* Effect.sleep(dice.between(50, 500))
    if (!open.isOpen() || dice.chance(0.3)) dependency.heal()
  }))
