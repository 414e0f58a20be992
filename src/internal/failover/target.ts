/** Targets as calls get them. */
import type { Target } from "../../FailoverRoute.ts"

type Described = Omit<Target, "payload">

/** Its payload can be a client with keys. Formatters print what an object has of its own, so it has none of its own. */
class Carrying<P> implements Target<P> {
  declare readonly route: string
  declare readonly name: string
  declare readonly key: string
  declare readonly region: string | undefined
  declare readonly tier: number
  declare readonly weight: number
  declare readonly contextTokens: number | undefined
  readonly #payload: P

  constructor(described: Described, payload: P) {
    Object.assign(this, described)
    this.#payload = payload
    Object.freeze(this)
  }

  get payload(): P {
    return this.#payload
  }
}

export const makeTarget = <P>(
  described: Described,
  payloadOf: ((target: Target<undefined>) => P) | undefined
): Target<P | undefined> => new Carrying(described, payloadOf?.(new Carrying(described, undefined)))
