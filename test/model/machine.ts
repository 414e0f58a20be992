/** The machine as the memory store runs it, at times that a test sets, and what it says of each step. */
import { Clock, Context, Effect } from "effect"
import type { Circuit, CircuitEvent, CircuitPolicy, Outcome } from "effect-resilience"
import { LocalCircuit } from "../../src/internal/circuit/localCircuit.ts"
import { Hub } from "../../src/internal/observers/hub.ts"
import { type CompiledPolicy, compilePolicy } from "../../src/internal/options/compiledPolicy.ts"

/** What can happen to a circuit. `batched` is a clean success that a process held back, as one call of a batch. */
export type Step =
  | { readonly _tag: "Claim" }
  | {
    readonly _tag: "Settle"
    readonly permit: Circuit.Permit
    readonly outcome: Outcome.Outcome
    readonly durationMillis: number
    readonly batched: boolean
  }
  | { readonly _tag: "Force"; readonly millis: number | undefined }
  | { readonly _tag: "Reset" | "Disable" | "Enable" }

/** What is to be seen of a step, whoever takes it. */
export interface Said {
  readonly circuit: Circuit.Circuit
  readonly held: boolean
  readonly late: boolean
  readonly given: ReadonlyArray<number>
  readonly failureThreshold: number
  readonly failureRatePpm: number | undefined
}

// Far ahead, so that no record expires, and below the generations, so that both sides take the next one.
export const start = 4_000_000_000_000
export const firstGeneration = 8_000_000_000_000_000

export const compiled = (policy: CircuitPolicy.CircuitPolicy): CompiledPolicy => compilePolicy(policy, Context.empty())

export class Machine extends LocalCircuit {
  private now = start
  private events: Array<CircuitEvent.CircuitEvent> = []
  private readonly clock: Clock.Clock = handMade(() => this.now)

  constructor(policy: CompiledPolicy, circuit: Circuit.Circuit, held: boolean) {
    super("twin", policy, new Hub(handMade(() => start)), circuit, { generation: circuit.generation, probe: 0 })
    this.hub.add({ name: "twin", onEvent: (event) => this.events.push(event) })
    if (held) this.hold = {}
  }

  get current(): Circuit.Circuit {
    return this.circuit
  }

  take(step: Step, now: number): Said {
    this.now = now
    this.events = []
    const given = this.answer(step)
    const health = this.weighed()
    return {
      circuit: this.circuit,
      held: this.hold !== undefined,
      late: this.events.some(({ event }) => event === "circuit.late_outcome"),
      given,
      failureThreshold: health.failureThreshold(),
      failureRatePpm: health.failureRatePpm(now)
    }
  }

  /** Without a number that is drawn, which the script does not do. */
  protected override decide(now: number, after: Circuit.Circuit): Circuit.Circuit {
    this.replace(now, after)
    return this.circuit
  }

  private answer(step: Step): ReadonlyArray<number> {
    const before = this.circuit
    switch (step._tag) {
      case "Claim":
        return [this.claimed()]
      case "Settle":
        this.settle(this.clock, step.permit, step.outcome, step.durationMillis, false)
        return this.events.some(({ event }) => event === "circuit.late_outcome")
          ? []
          : [before.generation, before.gateUntil, before.openings, this.latencyTripped ? 1 : 0]
      case "Force":
        this.run(this.forceOpen(step.millis, {}))
        return []
      case "Reset":
        this.run(this.reset({}))
        return []
      case "Disable":
        this.run(this.disable({}))
        return []
      case "Enable":
        this.run(this.enable({}))
        return []
    }
  }

  // The store has no say in the calls of a closed circuit: each process admits its own, by this very machine.
  private claimed(): number {
    if (this.circuit.state === "closed" || this.circuit.state === "disabled") return 0
    if (this.admit(this.clock, this.now) !== "claim") return 0
    const permit = this.run(this.claim)
    return "probe" in permit ? permit.probe : 0
  }

  private get latencyTripped(): boolean {
    return this.events.some((event) =>
      (event.event === "circuit.opened" && event.latency_tripped) ||
      (event.event === "circuit.probe" && event.kind === "slow")
    )
  }

  private run<A>(effect: Effect.Effect<A>): A {
    return Effect.runSync(Effect.provideService(effect, Clock.Clock, this.clock))
  }
}

const handMade = (now: () => number): Clock.Clock => {
  // In the middle of the millisecond: a number cannot hold the nanoseconds of such a time exactly.
  const nanos = () => BigInt(now()) * 1_000_000n + 500_000n
  return {
    currentTimeMillisUnsafe: now,
    currentTimeMillis: Effect.sync(now),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: () => Effect.never
  }
}
