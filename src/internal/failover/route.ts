/** Who serves a route: derived from the circuits of its targets at every look, and announced when it changes. */
import { type Clock, Duration, Effect, Latch } from "effect"
import type { CircuitState, CircuitView } from "../../CircuitState.ts"
import type { Cause } from "../../FailoverEvent.ts"
import { circuitMillis, wallMillis } from "../clock/time.ts"
import type { Reporter } from "../observers/observer.ts"
import { isAccountKind } from "../options/accountKinds.ts"
import {
  type Availability,
  availability,
  awayMillis,
  causeOf,
  home,
  type Lead,
  lead,
  order,
  untilBetter
} from "./choice.ts"
import type { CompiledRoute, CompiledTarget } from "./compiledRoute.ts"
import { GateRamp } from "./gateRamp.ts"
import { Tally } from "./tally.ts"

/** A target, and its circuit. */
export interface Place extends CompiledTarget {
  readonly circuit: CircuitView
}

/** What a call says of the targets that it may ask. */
interface Preferences {
  readonly isAllowed: (target: CompiledTarget) => boolean
  /** Among the targets of one tier the higher comes first. */
  readonly rank: (target: CompiledTarget) => number
  readonly tries: boolean
}

/** How a route stood at one moment. */
export interface Look {
  readonly now: number
  readonly states: ReadonlyArray<CircuitState>
  readonly availabilities: ReadonlyArray<Availability>
  readonly lead: Lead
}

export class Route {
  readonly compiled: CompiledRoute
  /** Its targets, in their order. */
  readonly places: ReadonlyArray<Place>
  readonly reporter: Reporter
  private readonly clock: Clock.Clock
  /** Called after another target has begun to serve. */
  readonly onSwitched: Array<() => void> = []
  private current: Lead = home
  /** In the order of the places. */
  private readonly ramps: ReadonlyArray<GateRamp>
  /** Of calls that went on, and of refusals. */
  private readonly tally = new Tally()
  /** Opens when the circuits of the route may have moved. */
  private readonly moved = Latch.makeUnsafe(false)

  constructor(
    compiled: CompiledRoute,
    places: ReadonlyArray<Place>,
    reporter: Reporter,
    clock: Clock.Clock
  ) {
    this.compiled = compiled
    this.places = places
    this.reporter = reporter
    this.clock = clock
    this.ramps = places.map(() => new GateRamp())
  }

  /** Who served at the last look. */
  get active(): Place {
    return this.places[this.current.active]!
  }

  /** How the route stands, without a wait and without a change. */
  read(): Look {
    const { clock, compiled, current, places } = this
    const now = circuitMillis(clock)
    const states = places.map(({ circuit }) => circuit.state)
    const availabilities = states.map(availability)
    // The outage began before it was seen here; every process of a fleet counts from there.
    const leftAt = (index: number) => now - openForMillis(states[index]!)
    return { now, states, availabilities, lead: lead(compiled, availabilities, current, now, leftAt) }
  }

  /** The primary, if it serves, as the only one of its tier, and takes the next call for certain: no look is needed. */
  get primaryAtHome(): Place | undefined {
    const { compiled: { hasOnePrimary }, current, places: [primary], ramps: [ramp] } = this
    return current === home && hasOnePrimary && ramp!.isOver && primary!.circuit.passes ? primary : undefined
  }

  /** Whom a call may ask, in order. */
  order({ isAllowed, rank, tries }: Preferences): ReadonlyArray<Place> {
    const { compiled, places, ramps } = this
    const { availabilities, lead, now } = this.look()
    return order(compiled, availabilities, lead, now, {
      isAllowed: (index) => isAllowed(places[index]!),
      rank: (index) => rank(places[index]!),
      tries,
      leaves: (index) => !ramps[index]!.takes(now)
    }).map((index) => places[index]!)
  }

  /** Whether a call goes to a target whose gate may have opened a moment ago. */
  takes(place: Place): boolean {
    return this.ramps[this.places.indexOf(place)]!.takes(circuitMillis(this.clock))
  }

  /** Reads, and takes note of who serves now. */
  look(): Look {
    const look = this.read()
    look.states.forEach((state, index) => {
      if (look.availabilities[index] === "gated") this.ramps[index]!.note(look.now, awayMillis(state)!)
    })
    this.serve(look.lead, look.states, look.now)
    return look
  }

  /** Looks again, and lets those who wait for that know. */
  readonly circuitMoved = (): void => {
    this.look()
    this.moved.openUnsafe()
  }

  /** Says that a target served a call. */
  served({ target: { name } }: CompiledTarget): void {
    this.reporter.attempt(this.compiled.name, name, undefined)
  }

  /** Says that a target did not serve a call, and whether it refused our account or place. */
  missed(place: CompiledTarget, cause: Cause): void {
    this.reporter.attempt(this.compiled.name, place.target.name, cause)
    this.refused(place, cause)
  }

  /** Says that a target refused our account or place, if this is why it failed. */
  refused({ credentials, target }: CompiledTarget, cause: Cause | undefined): void {
    const { clock, compiled: { name: route }, reporter } = this
    if (credentials === "caller" || !isAccountKind(cause)) return
    this.count(`${cause} ${target.name}`, (calls) =>
      reporter.announce({
        event: "failover.refused",
        route,
        at: wallMillis(clock),
        target: target.name,
        kind: cause,
        calls
      }))
  }

  /** Says that a call which one target did not serve goes on to another. */
  movedOn(from: CompiledTarget, to: CompiledTarget, cause: Cause): void {
    const { clock, compiled: { name: route }, reporter } = this
    const [from_target, to_target] = [from.target.name, to.target.name]
    this.count(
      `${cause} ${from_target} ${to_target}`,
      (calls) =>
        reporter.announce({
          event: "failover.moved",
          route,
          at: wallMillis(clock),
          from_target,
          to_target,
          cause,
          calls
        })
    )
  }

  private count(kind: string, announce: (calls: number) => void): void {
    if (this.tally.count(kind, circuitMillis(this.clock), announce)) this.moved.openUnsafe()
  }

  /** The primary serves, whatever was before. */
  goHome(): void {
    const { now, states } = this.read()
    this.serve(home, states, now)
    this.moved.openUnsafe()
  }

  /** Brings the route back when nothing but time keeps it away: reading it does not. */
  get tend(): Effect.Effect<never> {
    return Effect.forever(Effect.suspend(() => {
      this.moved.closeUnsafe()
      const { availabilities, lead, now, states } = this.look()
      this.tally.flush(now)
      const gates = states.filter((state) => availability(state) === "gated").map((state) => awayMillis(state)!)
      const wait = Math.min(untilBetter(this.compiled, availabilities, lead, now), this.tally.untilDue(now), ...gates)
      return wait === Infinity
        ? this.moved.await
        : Effect.timeoutOrElse(this.moved.await, { duration: wait, orElse: () => Effect.void })
    }))
  }

  private serve(next: Lead, states: ReadonlyArray<CircuitState>, now: number): void {
    const before = this.current
    this.current = next
    if (next.active === before.active) return
    for (const notify of this.onSwitched) notify()
    const { clock, compiled: { name, targets }, reporter } = this
    const common = {
      route: name,
      at: wallMillis(clock),
      from_target: targets[before.active]!.target.name,
      to_target: targets[next.active]!.target.name
    }
    if (next.active === 0) {
      const failedOverMillis = Math.max(0, now - (before.leftAt ?? now))
      reporter.announce({ event: "failover.recovered", ...common, failed_over_ms: failedOverMillis })
    } else {
      const state = states[before.active]!
      const cause = availability(state) === "ready" ? "recovered" : causeOf(state)
      reporter.announce({ event: "failover.switched", ...common, cause })
    }
  }
}

const openForMillis = (state: CircuitState): number =>
  "openFor" in state ? Math.floor(Duration.toMillis(state.openFor)) : 0
