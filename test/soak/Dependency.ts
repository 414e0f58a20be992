/** What the calls are made to: well, down, slow, throttling, or broken in itself, each target for a while. */
import { Effect } from "effect"
import type { Dice } from "./Dice.ts"

export type Mode = "up" | "down" | "slow" | "throttling" | "out of quota" | "buggy"

/** How one call will go. */
export interface Plan {
  readonly millis: number
  readonly ends: "value" | "failure" | "defect" | "interruption"
  /** What it ends with: compared by identity, so made anew for each call. */
  readonly fact: object
}

export class Dependency {
  private readonly modes = new Map<string, Mode>()

  set(target: string, mode: Mode): void {
    this.modes.set(target, mode)
  }

  heal(): void {
    this.modes.clear()
  }

  isWell(target: string): boolean {
    return !this.modes.has(target)
  }

  plan(target: string, dice: Dice): Plan {
    switch (this.modes.get(target) ?? "up") {
      case "up":
        return dice.chance(0.03) ? failing(dice, 503) : answering(dice.between(0, 12), dice)
      case "down":
        return dice.chance(0.1) ? answering(dice.between(0, 12), dice) : failing(dice, dice.pick([500, 503, 529]))
      case "slow":
        return answering(dice.between(30, 120), dice)
      case "throttling":
        return dice.chance(0.5) ? failing(dice, 429, `${dice.between(20, 120)}`) : answering(1, dice)
      case "out of quota":
        return failing(dice, 402)
      case "buggy": {
        const ends = dice.pick(["value", "failure", "defect", "interruption", "defect"] as const)
        return { millis: dice.between(0, 10), ends, fact: { status: 500 } }
      }
    }
  }
}

const answering = (millis: number, dice: Dice): Plan => ({ millis, ends: "value", fact: { text: dice.share() } })

const failing = (dice: Dice, status: number, retryAfterMillis?: string): Plan => ({
  millis: dice.between(0, 5),
  ends: "failure",
  fact: { status, headers: retryAfterMillis === undefined ? {} : { "retry-after-ms": retryAfterMillis } }
})

/** The call that a plan describes. */
export const perform = ({ ends, fact, millis }: Plan): Effect.Effect<object, object> => {
  const end = ends === "value"
    ? Effect.succeed(fact)
    : ends === "failure"
    ? Effect.fail(fact)
    : ends === "defect"
    ? Effect.die(fact)
    : Effect.interrupt
  return millis === 0 ? end : Effect.andThen(Effect.sleep(millis), end)
}
