/** Draws that a seed repeats (mulberry32). Every part of the load throws dice of its own, so none disturbs another. */
export class Dice {
  private state: number
  private readonly seed: string

  constructor(seed: string) {
    this.seed = seed
    this.state = 2_166_136_261
    for (const letter of seed) this.state = Math.imul(this.state ^ letter.codePointAt(0)!, 16_777_619)
  }

  /** Other dice, which follow from the seed of these and a name. */
  named(name: string): Dice {
    return new Dice(`${this.seed}/${name}`)
  }

  /** From 0 to 1, without 1. */
  share(): number {
    this.state = (this.state + 0x6d_2b_79_f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.share() * (most - least + 1))
  }

  chance(share: number): boolean {
    return this.share() < share
  }

  pick<A>(values: ReadonlyArray<A>): A {
    return values[this.between(0, values.length - 1)]!
  }

  /** One of the names, each as often as its weight says. */
  weighted(weights: Readonly<Record<string, number>>): string {
    const entries = Object.entries(weights)
    let left = this.share() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      left -= weight
      if (left < 0) return name
    }
    return entries.at(-1)![0]
  }
}
