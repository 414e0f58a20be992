/** A walk over everything that can happen: breadth first, one state of each shape, so that what it finds is shortest. */

/** What a walk goes through. `take` throws `Broken` where an invariant does not hold. */
export interface World<State, Step> {
  readonly starts: ReadonlyArray<State>
  readonly steps: (state: State) => ReadonlyArray<Step>
  readonly take: (state: State, step: Step) => State
  /** Equal for states from which the same steps can follow. */
  readonly shape: (state: State) => string
  readonly show: (step: Step) => string
}

export interface Walked {
  readonly states: number
  readonly steps: number
}

/** An invariant that does not hold. */
export class Broken extends Error {
  override readonly name = "Broken"
}

/** The same, and the shortest way there. */
export class Violation extends Error {
  override readonly name = "Violation"
  readonly path: ReadonlyArray<string>

  constructor(problem: string, path: ReadonlyArray<string>) {
    super([`${problem}, after`, ...path.map((step, index) => `  ${index + 1}. ${step}`)].join("\n"))
    this.path = path
  }
}

interface Node<State, Step> {
  readonly state: State
  readonly from: Node<State, Step> | undefined
  readonly step: Step | undefined
}

/** Walks until there is no new shape, or for so many steps from the start. Throws the first `Violation`. */
export const walk = <State, Step>(world: World<State, Step>, depth = Number.POSITIVE_INFINITY): Walked => {
  const seen = new Set<string>()
  let steps = 0
  let frontier: Array<Node<State, Step>> = []
  const visit = (node: Node<State, Step>, next: Array<Node<State, Step>>) => {
    const shape = world.shape(node.state)
    if (seen.has(shape)) return
    seen.add(shape)
    next.push(node)
  }
  for (const state of world.starts) visit({ state, from: undefined, step: undefined }, frontier)
  for (let length = 0; length < depth && frontier.length > 0; length++) {
    const next: Array<Node<State, Step>> = []
    for (const node of frontier) {
      for (const step of world.steps(node.state)) {
        steps++
        visit({ state: taken(world, node, step), from: node, step }, next)
      }
    }
    frontier = next
  }
  return { states: seen.size, steps }
}

const taken = <State, Step>(world: World<State, Step>, node: Node<State, Step>, step: Step): State => {
  try {
    return world.take(node.state, step)
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    const path = [world.show(step)]
    for (let at: Node<State, Step> | undefined = node; at?.step !== undefined; at = at.from) {
      path.unshift(world.show(at.step))
    }
    throw new Violation(error.message, path)
  }
}
