/**
 * Every run of a fleet. What runs is real and cannot be copied, so each step is taken by a new fleet that has taken all
 * steps before it again.
 */
import { createHash } from "node:crypto"
import { neverStuck } from "../invariants.ts"
import { Broken, type World } from "../walk.ts"
import { Fleet, type Setting, type Step } from "./Fleet.ts"
import { stuck } from "./recovers.ts"
import { shape } from "./shape.ts"
import { budget, type Limits, show, stepsOf } from "./steps.ts"

export interface Run {
  readonly path: ReadonlyArray<Step>
  readonly shape: string
  readonly steps: ReadonlyArray<Step>
}

/** Begins where each of the ways leads. */
export const world = (setting: Setting, limits: Limits, ways: ReadonlyArray<ReadonlyArray<Step>>): World<Run, Step> => {
  const known = new Set<string>()
  const recovering = new Set<string>()
  const play = (path: ReadonlyArray<Step>, way: number): Run => {
    const fleet = new Fleet(setting)
    for (const step of path) fleet.take(step)
    const own = path.slice(way)
    const stand = shape(fleet)
    const seen = digest(stand + JSON.stringify(budget(own, limits)))
    if (known.has(seen)) return { path, shape: seen, steps: [] }
    known.add(seen)
    const steps = stepsOf(fleet, own, limits)
    // From here on the fleet is of no more use.
    const isKnown = recovering.has(digest(stand)) || !setting.invariants.includes(neverStuck)
    const problem = isKnown ? undefined : stuck(fleet)
    recovering.add(digest(stand))
    if (problem !== undefined) throw new Broken(`${neverStuck.title}: ${problem}`)
    return { path, shape: seen, steps }
  }
  const lengths = new Map<Run, number>()
  const at = (path: ReadonlyArray<Step>, way: number): Run => {
    const run = play(path, way)
    lengths.set(run, way)
    return run
  }
  return {
    starts: ways.map((way) => at(way, way.length)),
    steps: ({ steps }) => steps,
    take: (run, step) => at([...run.path, step], lengths.get(run)!),
    shape: ({ shape }) => shape,
    show: (step) => show(setting, step)
  }
}

// Shapes are long, and there are many of them.
const digest = (text: string) => createHash("sha1").update(text).digest("base64")
