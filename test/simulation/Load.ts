/** Calls of a fleet at a rate, beside the same outcomes in one sequence: how often each opens its circuit. */
import { Context, Effect, Layer } from "effect"
import { CircuitBreaker, type CircuitPolicy, CircuitStore, Outcome } from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import { Dice } from "../soak/Dice.ts"
import { Member } from "./Member.ts"
import { epochMillis, VirtualTime } from "./VirtualTime.ts"

const key = "model"

export class Load {
  readonly dice: Dice
  /** How often the fleet has opened its circuit, and the one that gets every outcome in order. */
  trips = 0
  tripsInOrder = 0
  readonly time = new VirtualTime()
  private readonly members: ReadonlyArray<Member>
  private ordered!: CircuitBreaker.CircuitBreaker["Service"]

  constructor(seed: string, policies: ReadonlyArray<CircuitPolicy.CircuitPolicy>, resets: boolean) {
    this.dice = new Dice(seed)
    const server = SimulatedRecordStore.make()
    server.faults.latencyMillis = () => 0.5
    this.members = policies.map((policy, index) => {
      const member = new Member(
        index,
        { trip: 0, probes: 1, successesToClose: 1, ramp: false, openMillis: 0, ageMillis: 0, wallMillis: 0, policy },
        server,
        this.time.clock(0, -epochMillis),
        this.time,
        {
          onEvent: (_, event) => {
            if (event.event !== "circuit.opened" || event.generation === this.lastOpened) return
            this.lastOpened = event.generation
            this.trips++
            if (resets) member.order(key, "reset", 0)
          },
          onRun: () => {},
          onEnd: () => {},
          onOrder: () => {},
          fail: (broken) => {
            throw broken
          }
        }
      )
      return member
    })
    const layer = CircuitBreaker.layer(policies[0]!).pipe(Layer.provide(CircuitStore.layerMemory))
    this.run(Effect.scoped(Effect.flatMap(Layer.build(layer), (context) => {
      this.ordered = Context.get(context, CircuitBreaker.CircuitBreaker)
      return Effect.andThen(
        this.ordered.observe({
          name: "load",
          onEvent: (event) => {
            if (event.event !== "circuit.opened") return
            this.tripsInOrder++
            if (resets) this.run(this.ordered.reset(key))
          }
        }),
        Effect.never
      )
    })))
    this.time.advance(1_000)
  }

  private lastOpened = 0

  private run<A, E>(self: Effect.Effect<A, E>): void {
    Effect.runForkWith(this.time.context(0, 0))(self)
  }

  /** One call of a process, whose outcome the circuit in order gets, too. */
  call(process: number, fails: boolean): void {
    const failure = Effect.fail("503")
    this.members[process]!.call(key, fails ? "connection" : "success", 0, false)
    this.run(
      (fails ? failure : Effect.void).pipe(
        this.ordered.execute({ key, classify: () => fails ? Outcome.failure("connection") : Outcome.success })
      )
    )
  }
}
