/** One circuit of the fleet as this process sees it: a replica that answers at once, and an authority that decides. */
import { Clock, Effect, Fiber } from "effect"
import { never, type Permit } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { OnCall } from "../../CircuitObserver.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { CircuitHandle, Operator } from "../../CircuitStore.ts"
import type { CompiledPolicy } from "../../internal/compiledPolicy.ts"
import { wholeMillis } from "../../internal/localCircuit.ts"
import type { Kept } from "../../internal/registry.ts"
import * as Outcome from "../../Outcome.ts"
import type { Authority } from "./authority.ts"
import type { Follower, Heartbeat } from "./heartbeat.ts"
import type { RedisFault } from "./port.ts"
import type { Answer } from "./record.ts"
import { StoredCircuit } from "./storedCircuit.ts"

interface Call {
  readonly permit: Permit
  readonly outcome: Outcome.Outcome
  readonly durationMillis: number
  readonly interrupted: boolean
}

/** Until when a probe may run, and when the store was last told that it still does. */
interface Lease {
  readonly until: number
  renewedAt: number
}

/** Claims on their way, and the probes that the store granted. */
interface Probing {
  readonly claims: Set<Fiber.Fiber<unknown, RedisFault>>
  readonly probes: Map<Permit, Lease>
}

const begin = (): Probing => ({ claims: new Set(), probes: new Map() })

// Shared by all circuits that are not probing, which are most.
const notProbing = begin()

export class RedisCircuit extends StoredCircuit implements CircuitHandle, Kept, Follower {
  private readonly heartbeat: Heartbeat
  private probing = notProbing
  /** A claim was given up: the store may have carried it out all the same. */
  private claimLost = false
  /** Successes of a generation that the store has not heard of, and whether one of them ended a streak of failures. */
  private heldOf = 0
  private held = 0
  private streakEnded = false

  constructor(key: string, policy: CompiledPolicy, authority: Authority, heartbeat: Heartbeat, kept: boolean) {
    super(key, policy, authority, kept)
    this.heartbeat = heartbeat
  }

  get pass(): Permit | undefined {
    return this.fresh ? this.replica.pass : undefined
  }

  get timed(): boolean {
    return this.replica.timed
  }

  get onCall(): OnCall | undefined {
    return this.replica.onCall
  }

  admit(): Permit | Rejection | "claim" {
    return this.fresh ? this.replica.admit(this.authority.clock, this.authority.now()) : "claim"
  }

  get claim(): Effect.Effect<Permit | Rejection> {
    return Effect.suspend(() => {
      const free = this.fresh ? this.policy.rules.probes : 1
      const [first] = this.probing.claims
      if (this.alone || first === undefined || this.probing.claims.size < free) return this.ask()
      // Whoever asks, asks for all: most of those who wait are turned away by what it learns.
      return Effect.flatMap(Effect.interruptible(Fiber.await(first)), () => {
        const decision = this.replica.pass ?? this.admit()
        if (decision !== "claim") return Effect.succeed(decision)
        return this.alone || this.probing.claims.size < this.policy.rules.probes
          ? this.ask()
          : Effect.sync(() => this.replica.refuse(this.authority.clock))
      })
    })
  }

  settle(
    _clock: Clock.Clock,
    permit: Permit,
    outcome: Outcome.Outcome,
    durationMillis: number,
    interrupted: boolean
  ): Effect.Effect<void> | undefined {
    const { authority, replica } = this
    if (replica.changesNothing(permit, outcome)) return undefined
    const { clock } = authority
    if (this.alone) {
      this.probing.probes.delete(permit)
      return replica.settle(clock, permit, outcome, durationMillis, interrupted)
    }
    const call: Call = { permit, outcome, durationMillis, interrupted }
    if (permit.probe > 0) {
      if (!this.probing.probes.delete(permit)) return replica.late(clock, outcome)
    } else {
      if (permit.generation !== replica.current.generation) return replica.late(clock, outcome)
      if (outcome._tag === "Ignored") return undefined
      if (outcome._tag === "Success" && !replica.isSlow(durationMillis)) {
        replica.observe(clock, outcome, durationMillis)
        return this.hold()
      }
    }
    const report = authority.fork(this.report(call))
    return interrupted ? undefined : Effect.asVoid(Effect.interruptible(Fiber.await(report)))
  }

  rejectsFor(): number {
    return this.replica.rejectsFor(this.authority.now())
  }

  get state(): Effect.Effect<CircuitState> {
    const view = Effect.sync(() => this.view())
    return Effect.suspend(() =>
      this.alone ? view : Effect.matchEffect(this.send("read"), {
        onFailure: () => view,
        onSuccess: (answer) => Effect.sync(() => this.replica.viewWith(this.authority.clock, answer))
      })
    )
  }

  view(): CircuitState {
    return this.replica.view(this.authority.clock)
  }

  forceOpen(millis: number | undefined, operator: Operator): Effect.Effect<void> {
    return this.steer("force", [millis ?? never], operator, this.replica.forceOpen(millis, operator))
  }

  reset(operator: Operator): Effect.Effect<void> {
    return this.steer("reset", [], operator, this.replica.reset(operator))
  }

  disable(operator: Operator): Effect.Effect<void> {
    return this.steer("disable", [], operator, this.replica.disable(operator))
  }

  enable(operator: Operator): Effect.Effect<void> {
    return this.steer("enable", [], operator, this.replica.enable(operator))
  }

  get seenAt(): number {
    return this.replica.seenAt
  }

  set seenAt(at: number) {
    this.replica.seenAt = at
  }

  share(policy: CompiledPolicy, clock: Clock.Clock): void {
    this.replica.share(policy, clock)
  }

  isSpare(now: number): boolean {
    return this.replica.isSpare(now)
  }

  isIdle(now: number, idleMillis: number): boolean {
    return this.replica.isIdle(now, idleMillis)
  }

  override rejoin(): void {
    super.rejoin()
    this.forget()
  }

  get tend(): Effect.Effect<void> | undefined {
    const { alone, beatMillis, settings } = this.authority
    const now = this.authority.now()
    if (alone) {
      // The store's short leases are for processes that died, and this one has not.
      for (const [{ probe }, { until }] of this.probing.probes) this.replica.prolong(probe, until)
      return undefined
    }
    const due = [...this.probing.probes].filter(([, lease]) =>
      now - lease.renewedAt >= settings.leaseMillis / 3 && now < lease.until
    )
    if (due.length > 0) return Effect.ignore(Effect.forEach(due, ([permit, lease]) => this.renew(permit, lease)))
    // At the next beat it would be too old.
    const old = now - this.readAt >= settings.maxStalenessMillis - beatMillis
    if (!this.claimLost && (!old || now - this.seenAt >= settings.maxStalenessMillis)) return undefined
    return Effect.ignore(this.alone ? this.merge : Effect.tap(this.send("read"), (answer) => this.giveBackLost(answer)))
  }

  private renew({ generation, probe }: Permit, lease: Lease): Effect.Effect<unknown, RedisFault> {
    const { leaseMillis } = this.authority.settings
    lease.renewedAt = this.authority.now()
    return this.send("renew", generation, probe, Math.min(leaseMillis, lease.until - lease.renewedAt))
  }

  get flush(): Effect.Effect<void> {
    return Effect.suspend(() => this.alone || this.held === 0 ? Effect.void : this.report(undefined))
  }

  // The script answers the one who waits, or nobody: a slot for a caller who has left is given back.
  private ask(): Effect.Effect<Permit | Rejection> {
    const { authority, replica } = this
    const alone = Effect.provideService(replica.claim, Clock.Clock, authority.clock)
    if (this.alone) return alone
    let left = false
    let granted: Permit | undefined
    const lease = this.policy.rules.probeLeaseMillis
    if (this.probing === notProbing) this.probing = begin()
    const { claims, probes } = this.probing
    const claim = authority.fork(Effect.match(this.send("claim", Math.min(lease, authority.settings.leaseMillis)), {
      onFailure: () => {
        this.claimLost = true
      },
      onSuccess: ({ circuit, given: [id = 0] }) => {
        if (id === 0) return
        granted = { generation: circuit.generation, probe: id }
        probes.set(granted, { until: this.readAt + lease, renewedAt: this.readAt })
        if (left) this.giveBack(granted)
      }
    }))
    claims.add(claim)
    claim.addObserver(() => {
      claims.delete(claim)
      if (claims.size === 0 && probes.size === 0) this.probing = notProbing
    })
    return Effect.interruptible(Fiber.await(claim)).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          left = true
          if (granted !== undefined) this.giveBack(granted)
        })
      ),
      Effect.flatMap(() => {
        if (granted !== undefined) return Effect.succeed(granted)
        if (this.alone) return alone
        const decision = replica.pass ?? replica.admit(authority.clock, this.readAt)
        return Effect.succeed(decision === "claim" ? replica.refuse(authority.clock) : decision)
      })
    )
  }

  private giveBack(permit: Permit): void {
    this.settle(this.authority.clock, permit, cancelled, 0, true)
  }

  // Frees the slots that the store holds for this process and nobody here knows of.
  private giveBackLost({ circuit: { generation, probes }, owners }: Answer): Effect.Effect<void, RedisFault> {
    if (!this.claimLost || this.probing.claims.size > 0) return Effect.void
    this.claimLost = false
    const running = new Set([...this.probing.probes.keys()].map(({ probe }) => probe))
    const lost = probes.filter(({ id }, index) => owners[index] === this.authority.owner && !running.has(id))
    return Effect.forEach(
      lost,
      ({ id }) => this.send("report", generation, 0, 0, id, "Ignored", "cancelled", 0, 0, 1, 1),
      { discard: true }
    )
  }

  // Successes are heard of later; the one that ends a streak is told at once, but nobody waits for it.
  private hold(): undefined {
    const { authority, replica } = this
    const { failures, generation } = replica.current
    if (this.heldOf !== generation) this.forget()
    this.heldOf = generation
    if (replica.remembers) this.held++
    if (failures > 0) {
      this.streakEnded = true
      replica.endStreak()
      authority.fork(this.report(undefined))
    } else if (this.held > 0) this.heartbeat.flushLater(this)
  }

  private forget(): void {
    this.held = 0
    this.streakEnded = false
  }

  private report(call: Call | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { authority, replica } = this
      const { clock } = authority
      const { durationMillis = 0, outcome, permit } = call ?? {}
      const generation = permit?.generation ?? replica.current.generation
      if (this.heldOf !== generation) this.forget()
      const { held, streakEnded } = this
      this.forget()
      const { first, next } = replica.openSteps(authority.now())
      const sent = this.query(
        "report",
        generation,
        held,
        streakEnded ? 1 : 0,
        permit?.probe ?? 0,
        outcome?._tag ?? "",
        outcome === undefined || outcome._tag === "Success" ? "" : outcome.kind,
        outcome !== undefined && "retryAfter" in outcome ? wholeMillis(outcome.retryAfter) : 0,
        durationMillis,
        first,
        next
      )
      return Effect.match(sent, {
        // What the store could not be told counts here.
        onFailure: () => {
          if (call !== undefined) {
            replica.settle(clock, call.permit, call.outcome, call.durationMillis, call.interrupted)
          }
        },
        onSuccess: (answer) => {
          if (call !== undefined && answer.status === "late") replica.late(clock, call.outcome)
          else if (call !== undefined) {
            if (call.permit.probe === 0) replica.observe(clock, call.outcome, call.durationMillis)
            replica.tellCall(clock, call, answer)
          }
          this.adopt(answer)
        }
      })
    })
  }

  private steer(
    operation: "force" | "reset" | "disable" | "enable",
    args: ReadonlyArray<number>,
    { actor = "", reason = "" }: Operator,
    here: Effect.Effect<void>
  ): Effect.Effect<void> {
    const alone = Effect.provideService(here, Clock.Clock, this.authority.clock)
    return Effect.suspend(() => {
      if (this.alone) return alone
      const told = this.send(operation, ...args, reason, actor)
      // Whoever has never looked would not know what it is that changes.
      const looked = this.looked ? told : Effect.andThen(this.send("read"), told)
      return Effect.matchEffect(looked, { onFailure: () => alone, onSuccess: () => Effect.void })
    })
  }
}

const cancelled = Outcome.ignored("cancelled")
