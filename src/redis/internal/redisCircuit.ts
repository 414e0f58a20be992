/** One circuit of the fleet as this process sees it: a replica that answers at once, and an authority that decides. */
import { Clock, Effect, Fiber } from "effect"
import type { Circuit, Permit } from "../../Circuit.ts"
import { initial, never } from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { OnCall } from "../../CircuitObserver.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { CircuitHandle, Operator } from "../../CircuitStore.ts"
import type { CompiledPolicy } from "../../internal/compiledPolicy.ts"
import { wholeMillis } from "../../internal/localCircuit.ts"
import type { Kept } from "../../internal/registry.ts"
import { wallMillis } from "../../internal/time.ts"
import type { Outcome } from "../../Outcome.ts"
import type { Authority } from "./authority.ts"
import * as circuitId from "./circuitId.ts"
import type { Follower, Heartbeat } from "./heartbeat.ts"
import type { Operation } from "./luaOperations.ts"
import { RedisFault } from "./port.ts"
import { type Answer, type Read, readAnswer, writeCircuit } from "./record.ts"
import { Replica } from "./replica.ts"
import { wirePolicy } from "./wirePolicy.ts"

interface Call {
  readonly permit: Permit
  readonly outcome: Outcome
  readonly durationMillis: number
  readonly interrupted: boolean
}

/** Until when a probe may run, and when the store was last told that it still does. */
interface Lease {
  readonly until: number
  renewedAt: number
}

export class RedisCircuit implements CircuitHandle, Kept, Follower {
  readonly key: string
  readonly policy: CompiledPolicy
  private readonly id: string
  private readonly authority: Authority
  private readonly heartbeat: Heartbeat
  private readonly replica: Replica
  /** The epoch and the time of the last look. */
  private epoch = -1
  private readAt = 0
  /** What the store said last: the circuit, and how new that is. */
  private confirmed: Circuit
  private revision = -1
  /** Successes that the store has not heard of, and whether one of them ended a streak of failures. */
  private clean = 0
  private streakEnded = false
  /** Claims on their way, and the probes that the store granted. */
  private readonly claims = new Set<Fiber.Fiber<unknown, RedisFault>>()
  private readonly probes = new Map<Permit, Lease>()
  /** What is wrong with the record, if that makes it useless: then this process decides for itself. */
  private unusable: string | undefined
  private corruptTold = false
  /** A claim was given up: the store may have carried it out all the same. */
  private claimLost = false

  /** Nobody is told of what a circuit finds that is made for one question and then forgotten. */
  private readonly kept: boolean

  constructor(key: string, policy: CompiledPolicy, authority: Authority, heartbeat: Heartbeat, kept: boolean) {
    this.kept = kept
    this.key = key
    this.policy = policy
    this.id = circuitId.encode(key)
    this.authority = authority
    this.heartbeat = heartbeat
    this.confirmed = unknown
    this.replica = new Replica(key, policy, authority.hub, unknown, unknownPass)
  }

  get pass(): Permit | undefined {
    return this.epoch === this.authority.epoch || this.decidesAlone ? this.replica.pass : undefined
  }

  get timed(): boolean {
    return this.replica.timed
  }

  get onCall(): OnCall | undefined {
    return this.replica.onCall
  }

  admit(): Permit | Rejection | "claim" {
    return this.epoch === this.authority.epoch || this.decidesAlone
      ? this.replica.admit(this.authority.clock, this.authority.now())
      : "claim"
  }

  get claim(): Effect.Effect<Permit | Rejection> {
    return Effect.suspend(() => {
      const free = this.epoch === this.authority.epoch ? this.policy.rules.probes : 1
      const first = this.claims.values().next().value
      if (this.decidesAlone || first === undefined || this.claims.size < free) return this.ask()
      // Whoever asks, asks for all: most of those who wait are turned away by what it learns.
      return Effect.flatMap(Effect.interruptible(Fiber.await(first)), () => {
        const decision = this.replica.pass ?? this.admit()
        if (decision !== "claim") return Effect.succeed(decision)
        return this.decidesAlone || this.claims.size < this.policy.rules.probes
          ? this.ask()
          : Effect.sync(() => this.replica.refuse(this.authority.clock))
      })
    })
  }

  settle(
    _clock: Clock.Clock,
    permit: Permit,
    outcome: Outcome,
    durationMillis: number,
    interrupted: boolean
  ): Effect.Effect<void> | undefined {
    const { authority, replica } = this
    if (replica.changesNothing(permit, outcome)) return undefined
    const { clock } = authority
    if (this.decidesAlone) {
      this.probes.delete(permit)
      return replica.settle(clock, permit, outcome, durationMillis, interrupted)
    }
    const call: Call = { permit, outcome, durationMillis, interrupted }
    if (permit.probe > 0) {
      if (!this.probes.delete(permit)) return replica.late(clock, outcome)
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
      this.decidesAlone ? view : Effect.matchEffect(this.send("read"), {
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

  /** Takes over what another process did. */
  learn(read: Read): void {
    if (!this.decidesAlone && this.isNews(read)) this.adopt(read)
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

  get diverged(): boolean {
    const { generation, gateUntil, openUntil } = this.replica.current
    return this.unusable === undefined && (generation !== this.confirmed.generation ||
      gateUntil > this.confirmed.gateUntil || openUntil > this.confirmed.openUntil)
  }

  rejoin(): void {
    this.revision = -1
    this.clean = 0
    this.streakEnded = false
  }

  get merge(): Effect.Effect<void, RedisFault> {
    return Effect.suspend(() => {
      const { current, hold } = this.replica
      // The store knows this circuit by the generation it gave, not by those of the time alone.
      const mine = { ...current, generation: this.confirmed.generation }
      return Effect.map(
        this.query("merge", writeCircuit(mine, this.revision, hold, this.authority.now())),
        (answer) => {
          this.revision = -1
          this.adopt(answer)
        }
      )
    })
  }

  get tend(): Effect.Effect<void> | undefined {
    const { alone, beatMillis, settings } = this.authority
    const now = this.authority.now()
    if (alone) {
      // The store's short leases are for processes that died, and this one has not.
      for (const [{ probe }, { until }] of this.probes) this.replica.prolong(probe, until)
      return undefined
    }
    const due = [...this.probes].filter(([, lease]) =>
      now - lease.renewedAt >= settings.leaseMillis / 3 && now < lease.until
    )
    if (due.length > 0) return Effect.ignore(Effect.forEach(due, ([permit, lease]) => this.renew(permit, lease)))
    // At the next beat it would be too old.
    const old = now - this.readAt >= settings.maxStalenessMillis - beatMillis
    if (!this.claimLost && (!old || now - this.seenAt >= settings.maxStalenessMillis)) return undefined
    return Effect.ignore(this.unusable === undefined ? this.send("read") : this.merge)
  }

  private renew({ generation, probe }: Permit, lease: Lease): Effect.Effect<unknown, RedisFault> {
    const { leaseMillis } = this.authority.settings
    lease.renewedAt = this.authority.now()
    return this.send("renew", generation, probe, Math.min(leaseMillis, lease.until - lease.renewedAt))
  }

  get flush(): Effect.Effect<void> {
    return Effect.suspend(() => this.decidesAlone || this.clean === 0 ? Effect.void : this.report(undefined))
  }

  private get decidesAlone(): boolean {
    return this.authority.alone || this.unusable !== undefined
  }

  // The script answers the one who waits, or nobody: a slot for a caller who has left is given back.
  private ask(): Effect.Effect<Permit | Rejection> {
    const { authority, replica } = this
    const alone = Effect.provideService(replica.claim, Clock.Clock, authority.clock)
    if (this.decidesAlone) return alone
    let left = false
    let granted: Permit | undefined
    const lease = this.policy.rules.probeLeaseMillis
    const claim = authority.fork(Effect.map(
      this.send("claim", Math.min(lease, authority.settings.leaseMillis)),
      ({ circuit, given: [id = 0] }) => {
        if (id === 0) return
        granted = { generation: circuit.generation, probe: id }
        this.probes.set(granted, { until: this.readAt + lease, renewedAt: this.readAt })
        if (left) this.giveBack(granted)
      }
    ))
    this.claims.add(claim)
    claim.addObserver(() => this.claims.delete(claim))
    return Effect.interruptible(Fiber.await(claim)).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          left = true
          if (granted !== undefined) this.giveBack(granted)
        })
      ),
      Effect.flatMap(() => {
        if (granted !== undefined) return Effect.succeed(granted)
        if (this.decidesAlone) return alone
        const decision = replica.pass ?? replica.admit(authority.clock, this.readAt)
        return Effect.succeed(decision === "claim" ? replica.refuse(authority.clock) : decision)
      })
    )
  }

  private giveBack(permit: Permit): void {
    this.settle(this.authority.clock, permit, { _tag: "Ignored", kind: "cancelled" }, 0, true)
  }

  // Successes are heard of later; the one that ends a streak is told at once, but nobody waits for it.
  private hold(): undefined {
    const { authority, replica } = this
    if (replica.remembers) this.clean++
    if (replica.current.failures > 0) {
      this.streakEnded = true
      replica.endStreak()
      authority.fork(this.report(undefined))
    } else if (this.clean > 0) this.heartbeat.flushLater(this)
  }

  private report(call: Call | undefined): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { authority, replica } = this
      const { clock } = authority
      const { clean, streakEnded } = this
      this.clean = 0
      this.streakEnded = false
      const { durationMillis = 0, outcome, permit } = call ?? {}
      const { first, next } = replica.openSteps(authority.now())
      const sent = this.query(
        "report",
        permit?.generation ?? replica.current.generation,
        clean,
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
      if (this.decidesAlone) return alone
      const told = this.send(operation, ...args, reason, actor)
      // Whoever has never looked would not know what it is that changes.
      const looked = this.confirmed === unknown ? Effect.andThen(this.send("read"), told) : told
      return Effect.matchEffect(looked, { onFailure: () => alone, onSuccess: () => Effect.void })
    })
  }

  /** Asks the store, and takes over what it says of the circuit. */
  private send(operation: Operation, ...args: ReadonlyArray<string | number>): Effect.Effect<Answer, RedisFault> {
    return Effect.tap(this.query(operation, ...args), (answer) => Effect.sync(() => this.adopt(answer)))
  }

  private query(operation: Operation, ...args: ReadonlyArray<string | number>): Effect.Effect<Answer, RedisFault> {
    const asked = Effect.suspend(() => {
      const { authority, confirmed, id, policy } = this
      // Whatever happened before the question is in the answer.
      const { epoch } = authority
      return Effect.flatMap(
        authority.operate(operation, id, confirmed.generation, wirePolicy(policy), args),
        (reply) => {
          const now = authority.now()
          const answer = readAnswer(reply, now)
          if (answer === undefined) return Effect.fail(new RedisFault({ code: "REPLY" }))
          if (answer === "newer") return Effect.fail(new RedisFault({ code: "NEWER" }))
          this.epoch = Math.max(this.epoch, epoch)
          this.readAt = now
          this.notice(answer)
          return Effect.succeed(answer)
        }
      )
    })
    return asked.pipe(
      // The store has lost what this process has seen.
      Effect.filterOrElse(({ status }) => status !== "stale", () => Effect.andThen(this.merge, asked)),
      Effect.tapError((fault) => Effect.sync(() => this.failed(operation, fault)))
    )
  }

  private adopt(read: Read): void {
    if (!this.isNews(read)) return
    if (read.circuit.generation !== this.confirmed.generation) {
      this.clean = 0
      this.streakEnded = false
    }
    // The first look is no transition.
    this.replica.adopt(this.authority.clock, read, this.confirmed !== unknown)
    this.confirmed = this.replica.current
    this.revision = read.revision
  }

  private isNews({ circuit, revision }: Read): boolean {
    const { generation } = this.confirmed
    return circuit.generation > generation || (circuit.generation === generation && revision > this.revision)
  }

  // Frees the slots that the store holds for this process and nobody here knows of.
  private giveUp({ circuit: { generation, probes }, owners }: Answer): void {
    this.claimLost = false
    const running = new Set([...this.probes.keys()].map(({ probe }) => probe))
    for (const [index, { id }] of probes.entries()) {
      if (owners[index] !== this.authority.owner || running.has(id)) continue
      const ignored = [generation, 0, 0, id, "Ignored", "cancelled", 0, 0, 1, 1]
      this.authority.fork(Effect.ignore(this.send("report", ...ignored)))
    }
  }

  private failed(operation: Operation, fault: RedisFault): void {
    if (operation === "claim") this.claimLost = true
    const problem = problems[fault.code]
    if (problem === undefined) return this.authority.lost(operation, fault, this.id)
    if (this.unusable !== problem) this.tellCorrupt(problem)
    this.unusable = problem
  }

  private notice(answer: Answer): void {
    const { corrupt, mismatch } = answer
    if (this.unusable !== undefined) this.rejoin()
    this.unusable = undefined
    if (this.claimLost && this.claims.size === 0) this.giveUp(answer)
    if (corrupt && !this.corruptTold) this.tellCorrupt("unreadable_fields")
    this.corruptTold = corrupt
    if (mismatch && this.kept) this.replica.disagree(this.authority.clock)
  }

  private tellCorrupt(problem: Problem): void {
    const { clock, hub } = this.authority
    if (this.kept && hub.listening) {
      hub.announce({ event: "store.corrupt", key: this.key, at: wallMillis(clock), problem })
    }
  }
}

type Problem = "unreadable_fields" | "wrong_type" | "newer_version"

// Faults of one record, not of the store: it is left alone, and this process decides for itself.
const problems: Readonly<Record<string, Problem>> = { WRONGTYPE: "wrong_type", NEWER: "newer_version" }

const unknown = initial(0)
const unknownPass: Permit = { generation: 0, probe: 0 }
