/** Whom one call asks, in order: the next target, those that wait for their gates, and those of the last resort. */
import { availability, awayMillis, gateMillis } from "./choice.ts"
import type { Place } from "./route.ts"

export class Itinerary {
  private readonly first: Place
  private readonly order: () => ReadonlyArray<Place>
  private found: ReadonlyArray<Place> | undefined
  private next = 1
  private gated: ReadonlyArray<Place> = nobody
  /** How much the largest target takes for which the call was too long. */
  private tooSmall: number | undefined

  /** Most calls need to know nothing of the others, so their `order` is found when one is asked for. */
  constructor(first: Place, order: () => ReadonlyArray<Place>) {
    this.first = first
    this.order = order
  }

  /** All whom the call may ask. */
  get places(): ReadonlyArray<Place> {
    return this.found ??= [this.first, ...this.order().filter((place) => place !== this.first)]
  }

  takeNext(): Place | undefined {
    while (this.next < this.places.length) {
      const place = this.places[this.next++]!
      if (this.isLargeEnough(place)) return place
    }
    return undefined
  }

  /** Leaves out those that take no more than this one does. */
  wasTooLongFor({ target }: Place): void {
    this.tooSmall = Math.max(this.tooSmall ?? 0, target.contextTokens ?? 0)
  }

  /** Notes that the gate of a target turned the call away. */
  waitsFor(place: Place): void {
    this.gated = [...this.gated, place]
  }

  /** Takes up a target whose gate has opened. */
  waitsNoMoreFor(place: Place): void {
    this.gated = this.gated.filter((gated) => gated !== place)
  }

  /** The target that turned the call away by its gate, and opens it first. */
  get firstToOpen(): Place | undefined {
    return this.gated.filter((place) => this.isLargeEnough(place))
      .toSorted((a, b) => gateMillis(a.circuit) - gateMillis(b.circuit))[0]
  }

  /** Whether one of the targets that were not asked yet takes calls, so that none has to be asked again. */
  get othersTakeCalls(): boolean {
    return this.places.slice(this.next).some((place) =>
      this.isLargeEnough(place) && (place.circuit.passes || availability(place.circuit.state) === "ready")
    )
  }

  /** Those whose circuits are open, the first to come back first. */
  get lastResorts(): ReadonlyArray<Place> {
    return this.places.filter(({ circuit }) => circuit.state._tag === "Open")
      .toSorted((a, b) => awayMillis(a.circuit.state)! - awayMillis(b.circuit.state)!)
  }

  private isLargeEnough({ target }: Place): boolean {
    return this.tooSmall === undefined || (target.contextTokens ?? 0) > this.tooSmall
  }
}

const nobody: ReadonlyArray<Place> = []
