/** A circuit of the fleet in this process: a replica that answers at once, and a record in the store that decides. */
import { type Clock, Effect, Fiber } from "effect"
import * as Circuit from "../../Circuit.ts"
import type { Rejection } from "../../CircuitError.ts"
import type { CircuitState } from "../../CircuitState.ts"
import type { CircuitHandle, Operator } from "../../CircuitStore.ts"
import * as Outcome from "../../Outcome.ts"
import type { StoreFault } from "../../RecordStore.ts"
import type { Initial } from "../circuit/initial.ts"
import type { Kept } from "../circuit/registry.ts"
import { wallMillis } from "../clock/time.ts"
import type { Evidence } from "../machine/evidence.ts"
import { judge } from "../machine/judge.ts"
import { anyMarked } from "../machine/slots.ts"
import * as streak from "../machine/streak.ts"
import type { Listeners } from "../observers/listeners.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import type { Authority } from "./authority.ts"
import { Claims } from "./claims.ts"
import type { Entry } from "./entry.ts"
import type { Heartbeat } from "./heartbeat.ts"
import { type Change, type Known, type Problem, RecordQueue } from "./recordQueue.ts"
import { type Ended, Replica } from "./replica.ts"
import { advanced, countedBy, type Settled, settle, slotsOf } from "./settlement.ts"
import type { Part } from "./part.ts"
import { taught } from "./teaching.ts"

export class SharedCircuit implements CircuitHandle, Kept {
  readonly key: string
  readonly policy: CompiledPolicy
  private readonly id: string
  private readonly authority: Authority
  private readonly heartbeat: Heartbeat
  private readonly replica: Replica
  private readonly queue: RecordQueue
  private readonly claims: Claims
  private readonly numbering: Initial
  /** Whether the circuit stays in this process; one that is made to answer one question announces nothing. */
  private readonly kept: boolean
  /** The circuit of this process as long as there is no record, whose generation is 0 there and unique here. */
  private readonly unknown: Circuit.Circuit
  /** What the replica took over last. */
  private followed: Known
  private confirmed: Circuit.Circuit
  private hasFollowed = false
  /** Whether this process has decided by itself, and has not yet brought that into the record. */
  private diverged = false
  /** What it has brought into the record, if it is not done with that. */
  private taught: Circuit.Circuit | undefined
  /** Successes that no other process knows of, by slot. */
  private unsent = new Map<string, number>()
  /** When a call was served here since the last failure here. */
  private servedHere: number | undefined

  constructor(
    key: string,
    id: string,
    policy: CompiledPolicy,
    authority: Authority,
    heartbeat: Heartbeat,
    initial: Initial,
    kept: boolean
  ) {
    this.key = key
    this.id = id
    this.policy = policy
    this.authority = authority
    this.heartbeat = heartbeat
    this.numbering = initial
    this.kept = kept
    this.confirmed = this.unknown = initial.circuit
    this.replica = new Replica(key, policy, authority.hub, initial.circuit, initial.pass)
    this.queue = new RecordQueue(id, authority, {
      adopt: (known) => this.follow(known),
      returns: (known) => {
        const merge = this.rejoin()
        if (merge === undefined) this.follow(known)
        else authority.fork(merge)
      },
      teach: this.teach,
      announceProblem: (problem) => this.announceProblem(problem),
      longest: { gateMillis: policy.rules.maxHintMillis * 2 }
    })
    this.followed = this.queue.known
    const circuit = this
    this.claims = new Claims(authority, {
      get degraded() {
        return circuit.degraded
      },
      probes: policy.rules.probes,
      leaseMillis: policy.rules.probeLeaseMillis,
      take: (granted) => this.take(granted),
      giveBack: (permit) => this.giveBack(permit),
      decideHere: this.replica.claim,
      decideNow: () => {
        const decision = this.replica.pass ?? this.replica.admit(authority.clock, authority.now())
        return decision === "claim" ? this.replica.refuse(authority.clock) : decision
      },
      peek: () => this.replica.pass ?? this.admit()
    })
  }

  /** Whether this process decides by itself. */
  get degraded(): boolean {
    return this.authority.closed || this.queue.part.degraded || this.diverged || this.queue.unusable !== undefined
  }

  private get isUpToDate(): boolean {
    return this.queue.isUpToDate || this.degraded
  }

  get part(): Part {
    return this.queue.part
  }

  get timed(): boolean {
    return this.replica.timed
  }

  get stateName(): Circuit.State {
    return this.replica.stateName
  }

  get generation(): number {
    return this.replica.generation
  }

  get listeners(): Listeners | undefined {
    return this.replica.listeners
  }

  get evidence(): Evidence {
    return this.replica.evidence
  }

  set evidence(evidence: Evidence) {
    this.replica.evidence = evidence
  }

  get servedAt(): number {
    return this.replica.servedAt
  }

  set servedAt(millis: number) {
    this.replica.servedAt = millis
  }

  get seenAt(): number {
    return this.replica.seenAt
  }

  set seenAt(at: number) {
    this.replica.seenAt = at
  }

  get pass(): Circuit.Permit | undefined {
    return this.isUpToDate ? this.replica.pass : undefined
  }

  admit(): Circuit.Permit | Rejection | "claim" {
    return this.isUpToDate ? this.replica.admit(this.authority.clock, this.authority.now()) : "claim"
  }

  turnAway(_clock: Clock.Clock, now: number, retryAfterMillis: number): Rejection {
    return this.replica.turnAway(this.authority.clock, now, retryAfterMillis)
  }

  get claim(): Effect.Effect<Circuit.Permit | Rejection> {
    return this.claims.claim(this.isUpToDate ? this.policy.rules.probes : 1)
  }

  settle(
    _clock: Clock.Clock,
    permit: Circuit.Permit,
    outcome: Outcome.Outcome,
    durationMillis: number,
    interrupted: boolean
  ): Effect.Effect<void> | undefined {
    const { authority, claims, replica } = this
    if (outcome._tag === "Success") this.servedHere = authority.now()
    if (replica.changesNothing(permit, outcome)) return undefined
    const { clock } = authority
    if (this.degraded) {
      if (claims.ended(permit)) claims.slotLost = true
      return replica.settle(clock, permit, outcome, durationMillis, interrupted)
    }
    if (permit.probe > 0) {
      if (!claims.ended(permit)) return replica.late(clock, outcome)
      replica.free(permit.probe)
    } else {
      if (permit.generation !== replica.current.generation) return replica.late(clock, outcome)
      if (outcome._tag === "Ignored") return undefined
      if (outcome._tag === "Success" && !replica.isSlow(durationMillis)) return this.served(outcome, durationMillis)
    }
    const report = authority.fork(this.report({ permit, outcome, durationMillis, interrupted }))
    return interrupted ? undefined : Effect.asVoid(Effect.interruptible(Fiber.await(report)))
  }

  /** A call that was served while the circuit was open is its probe. */
  probedEarly(): void {
    const { authority, replica } = this
    if (this.degraded) return replica.probedEarly(authority.clock)
    const { process } = authority
    authority.fork(Effect.ignore(this.send("report", (basis) => {
      const { entry, now } = basis
      const admission = Circuit.admitEarly(entry.circuit, this.policy.rules, now)
      if (admission._tag === "Rejected" || admission.permit.probe === 0) return { entry }
      const { probe } = admission.permit
      const probing = { ...entry, circuit: admission.circuit, owners: new Map([...entry.owners, [probe, process]]) }
      const end = { permit: admission.permit, outcome: Outcome.success, durationMillis: 0, ...this.order() }
      return settle(this.policy, { ...basis, entry: probing }, end, new Map(), this.slowerThanMillis)
    })))
  }

  rejectsFor(): number {
    return this.replica.rejectsFor(this.authority.now())
  }

  get state(): Effect.Effect<CircuitState> {
    const view = Effect.sync(() => this.view())
    return Effect.suspend(() =>
      this.degraded
        ? view
        : Effect.matchEffect(this.asked("read", this.queue.read), { onFailure: () => view, onSuccess: () => view })
    )
  }

  view(): CircuitState {
    const { authority, replica } = this
    const { entry, record } = this.queue.known
    const { shift } = this.queue.part
    const basis = { entry, counters: record.counters, now: authority.now(), shift }
    const state = this.degraded || !this.queue.hasRead
      ? replica.view(authority.clock)
      : replica.viewWith(authority.clock, judge(this.policy.criteria, countedBy(basis)))
    // With the generation of the record, so that all processes agree: 0 while there is none.
    return { ...state, generation: this.inStore(state.generation) }
  }

  forceOpen(millis: number | undefined, operator: Operator): Effect.Effect<void> {
    const until = (now: number) => millis === undefined ? Circuit.never : now + millis
    return this.steer(
      "force",
      operator,
      this.replica.forceOpen(millis, operator),
      (circuit, now) => Circuit.force(circuit, now, until(now))
    )
  }

  reset(operator: Operator): Effect.Effect<void> {
    return this.steer("reset", operator, this.replica.reset(operator), (circuit) =>
      // There is nothing to reset, and so no record to write.
      this.queue.known.record.revision === 0 && circuit.reason === "initial" ? circuit : Circuit.reset(circuit))
  }

  disable(operator: Operator): Effect.Effect<void> {
    return this.steer("disable", operator, this.replica.disable(operator), Circuit.disable)
  }

  enable(operator: Operator): Effect.Effect<void> {
    return this.steer("enable", operator, this.replica.enable(operator), Circuit.enable)
  }

  share(policy: CompiledPolicy, clock: Clock.Clock): void {
    this.replica.share(policy, clock)
  }

  forgotten(): void {
    this.replica.forgotten()
  }

  isSpare(now: number): boolean {
    return this.replica.isSpare(now)
  }

  isIdle(now: number, idleMillis: number): boolean {
    return this.replica.isIdle(now, idleMillis)
  }

  /** Another process has announced that the record has this revision. */
  changed(revision: number): void {
    if (revision <= this.queue.known.record.revision || this.degraded) return
    this.authority.fork(Effect.ignore(this.asked("read", this.queue.read)))
  }

  /** What has to be done at a beat of the heart; undefined if nothing. */
  get tend(): Effect.Effect<void> | undefined {
    const { authority, claims } = this
    const { beatMillis, settings: { maxStalenessMillis } } = authority
    if (this.degraded) {
      claims.forEach((probe, until) => this.replica.prolong(probe, until))
      return this.queue.unusable !== undefined && !this.queue.part.degraded ? this.reread : undefined
    }
    const now = authority.now()
    const due = claims.due(now).map(({ leaseMillis, permit }) => this.renew(permit, leaseMillis))
    if (due.length > 0) return Effect.ignore(Effect.all(due))
    // Already now, because at the next beat the view would be too old.
    const isOld = now - this.queue.readAt >= maxStalenessMillis - beatMillis && now - this.seenAt < maxStalenessMillis
    if (!claims.slotLost && !isOld) return undefined
    return this.reread
  }

  private readonly reread: Effect.Effect<void> = Effect.suspend(() =>
    Effect.ignore(Effect.tap(this.asked("read", this.queue.read), () => this.freeLost))
  )

  /** Sends the successes that wait to be sent together. */
  get flush(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.degraded || this.unsent.size === 0) return Effect.void
      return Effect.ignore(Effect.andThen(this.send("report", (basis) => this.count(basis)), this.tripIfUnhealthy))
    })
  }

  /** The part of the store answers again. */
  rejoin(): Effect.Effect<void> | undefined {
    const { current } = this.replica
    const { confirmed } = this
    this.diverged ||= current.generation !== confirmed.generation || current.gateUntil > confirmed.gateUntil ||
      current.openUntil > confirmed.openUntil
    return this.diverged ? this.merge : undefined
  }

  // Until nothing has moved here meanwhile.
  private readonly merge: Effect.Effect<void> = Effect.suspend(() => {
    const { current } = this.replica
    return Effect.matchEffect(this.asked("merge", Effect.andThen(this.queue.read, this.queue.change(this.teach))), {
      onFailure: () =>
        Effect.sync(() => {
          this.taught = undefined
        }),
      onSuccess: () => {
        if (this.replica.current !== current) {
          this.taught = current
          return this.merge
        }
        this.taught = undefined
        this.diverged = false
        this.follow(this.queue.known)
        return Effect.void
      }
    })
  })

  private readonly teach: Change = (basis) =>
    taught(this.policy, basis, {
      mine: this.replica.current,
      confirmed: this.inStore(this.confirmed.generation),
      hold: this.replica.hold,
      isReset: this.taught !== undefined && this.replica.current.reason === "reset" &&
        this.taught.generation !== this.replica.generation,
      followed: this.followed,
      process: this.authority.process
    })

  /** Takes over a record, unless this process decides by itself. */
  private follow(known: Known): void {
    if (this.degraded) return
    const { replica } = this
    const { entry, record } = known
    const generation = record.generation === 0 ? this.unknown.generation : record.generation
    // A transition is announced if it happened while this process watched: not what the first read finds.
    const announces = this.hasFollowed || this.inStore(replica.generation) > 0
    this.hasFollowed = true
    this.followed = known
    if (record.generation !== this.inStore(this.confirmed.generation)) this.unsent = new Map()
    // Keeps the state that all circuits without a record share, because most keys never see a failure.
    if (record.revision > 0 || replica.current !== this.unknown) {
      replica.adopt(this.authority.clock, entry, generation, announces && this.kept)
      this.confirmed = replica.current
    }
    // The next circuit of this key must not count from a generation that this one has shown.
    if (!this.kept) this.numbering.outlive(this.confirmed)
  }

  /** A generation as the store knows it: 0 while there is no record. */
  private inStore(generation: number): number {
    return generation === this.unknown.generation ? 0 : generation
  }

  private get slowerThanMillis(): number {
    return this.policy.makeHealth().slowerThanMillis
  }

  private order() {
    return { process: this.authority.process, servedAt: this.servedHere }
  }

  // A success that ends a streak is reported at once, but its call does not wait. Those that a rate counts are sent
  // together, and only while the fleet has counted a failure.
  private served(outcome: Outcome.Outcome, durationMillis: number): undefined {
    const { authority, queue, replica } = this
    const servedAt = authority.now()
    replica.observe(authority.clock, outcome, durationMillis)
    if (replica.remembers) {
      slotsOf(this.policy, authority.now() - queue.part.shift, false, durationMillis, this.unsent)
      if (anyMarked(queue.known.record.counters)) this.heartbeat.flushLater(this)
    }
    if (replica.current.failures === 0) return
    replica.endStreak()
    const { process } = authority
    authority.fork(Effect.ignore(this.send("report", (basis) => {
      const { entry } = basis
      const left = streak.served(entry.streak, process, servedAt)
      if (left === entry.streak) return { entry }
      const failures = streak.length(left)
      const ended = failures === 0 ? { lastFailureKind: "", hintUntil: 0 } : undefined
      return { entry: { ...entry, streak: left, circuit: { ...entry.circuit, failures, ...ended } } }
    })))
  }

  private count({ entry }: { readonly entry: Entry }): { readonly entry: Entry; readonly add: Map<string, number> } {
    const add = this.unsent
    this.unsent = new Map()
    return { entry, add }
  }

  private report(call: Ended): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { authority, replica } = this
      const { clock } = authority
      const { durationMillis, outcome, permit } = call
      const order = this.order()
      if (outcome._tag === "Failure") this.servedHere = undefined
      const isCounted = permit.probe === 0 && replica.remembers &&
        (outcome._tag === "Success" || outcome._tag === "Failure")
      if (permit.probe === 0) replica.observe(clock, outcome, durationMillis)
      const add = isCounted ? this.unsent : new Map<string, number>()
      if (isCounted) {
        this.unsent = new Map()
        slotsOf(this.policy, authority.now() - this.queue.part.shift, outcome._tag === "Failure", durationMillis, add)
      }
      const end = {
        permit: { ...permit, generation: this.inStore(permit.generation) },
        outcome,
        durationMillis,
        ...order
      }
      let settled: Settled | undefined
      const sent = this.send("report", (basis) => settled = settle(this.policy, basis, end, add, this.slowerThanMillis), () => {
        if (settled!.late) return replica.late(clock, outcome)
        const { before, entry, judgement, latencyTripped } = settled!
        replica.announceCall(clock, call, this.here(before), this.here(entry.circuit), judgement, latencyTripped)
      })
      return Effect.matchEffect(sent, {
        // A call that could not be reported counts in the replica.
        onFailure: () =>
          Effect.sync(() => {
            if (permit.probe > 0) this.claims.slotLost = true
            replica.settle(clock, permit, outcome, durationMillis, call.interrupted)
          }),
        onSuccess: () => isCounted ? Effect.ignore(this.tripIfUnhealthy) : Effect.void
      })
    })
  }

  // What was counted may be too much together with what other processes have counted meanwhile.
  private readonly tripIfUnhealthy: Effect.Effect<void, StoreFault> = Effect.suspend(() => {
    const { entry, record } = this.queue.known
    const { generation } = record
    const basis = { entry, counters: record.counters, now: this.authority.now(), shift: this.queue.part.shift }
    if (entry.circuit.state !== "closed" || !judge(this.policy.criteria, countedBy(basis)).unhealthy) return Effect.void
    return this.send("report", (basis) => {
      const end = {
        permit: { generation, probe: 0 },
        outcome: Outcome.success,
        durationMillis: 0,
        ...this.order()
      }
      return settle(this.policy, basis, end, new Map(), this.slowerThanMillis)
    })
  })

  private here(circuit: Circuit.Circuit): Circuit.Circuit {
    return circuit.generation === 0 ? { ...circuit, generation: this.unknown.generation } : circuit
  }

  private take(granted: (permit: Circuit.Permit) => void): Effect.Effect<void, StoreFault> {
    const { authority, policy } = this
    const { process } = authority
    const leaseMillis = Math.min(policy.rules.probeLeaseMillis, authority.settings.leaseMillis)
    let taken: Circuit.Permit | undefined
    const claim = this.queue.change((basis) => {
      const { entry, now } = basis
      taken = undefined
      const admission = Circuit.admit(entry.circuit, { ...policy.rules, probeLeaseMillis: leaseMillis }, now)
      if (admission._tag === "Rejected" || admission.permit.probe === 0) return { entry }
      taken = admission.permit
      const next = advanced(policy, entry, admission.circuit, countedBy(basis))
      return { entry: { ...next, owners: new Map([...next.owners, [taken.probe, process]]) } }
    }, ({ record }) => {
      if (taken !== undefined) granted({ generation: record.generation, probe: taken.probe })
    })
    const fresh = this.queue.isUpToDate ? Effect.void : this.queue.read
    const isOpen = () => this.replica.pass === undefined && this.replica.current.state !== "closed"
    // Most first uses find a closed circuit, which has nothing to claim.
    return this.asked("claim", Effect.andThen(fresh, Effect.suspend(() => isOpen() ? claim : Effect.void)))
  }

  private giveBack(permit: Circuit.Permit): void {
    const { authority, claims, replica } = this
    if (!claims.ended(permit)) return
    replica.free(permit.probe)
    if (this.degraded) claims.slotLost = true
    else authority.fork(Effect.ignore(this.free([permit.probe])))
  }

  private get freeLost(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { authority, claims } = this
      if (!claims.slotLost || this.degraded) return Effect.void
      const { running } = claims
      const lost = [...this.queue.known.entry.owners]
        .filter(([id, owner]) => owner === authority.process && !running.has(id))
        .map(([id]) => id)
      claims.slotLost = false
      return lost.length === 0 ? Effect.void : Effect.ignore(this.free(lost))
    })
  }

  private free(ids: ReadonlyArray<number>): Effect.Effect<void, StoreFault> {
    const { process } = this.authority
    return this.send("report", ({ entry }) => {
      const own = ids.filter((id) => entry.owners.get(id) === process)
      if (own.length === 0) return { entry }
      return {
        entry: {
          ...entry,
          circuit: { ...entry.circuit, probes: entry.circuit.probes.filter(({ id }) => !own.includes(id)) },
          owners: new Map([...entry.owners].filter(([id]) => !own.includes(id)))
        },
        announces: true
      }
    })
  }

  private renew(permit: Circuit.Permit, leaseMillis: number): Effect.Effect<void, StoreFault> {
    const { process } = this.authority
    return this.send("renew", ({ entry, now }) => {
      const { circuit, owners } = entry
      if (circuit.generation !== permit.generation || owners.get(permit.probe) !== process) return { entry }
      const probes = circuit.probes.map((probe) =>
        probe.id === permit.probe ? { ...probe, leaseUntil: Math.max(probe.leaseUntil, now + leaseMillis) } : probe
      )
      return { entry: { ...entry, circuit: { ...circuit, probes } } }
    })
  }

  private steer(
    operation: string,
    operator: Operator,
    here: Effect.Effect<void>,
    order: (circuit: Circuit.Circuit, now: number) => Circuit.Circuit
  ): Effect.Effect<void> {
    const { authority } = this
    return Effect.suspend(() => {
      if (this.degraded) return here
      const change = this.queue.change((basis) => {
        const { entry, now } = basis
        const circuit = order(entry.circuit, now)
        if (circuit === entry.circuit) return { entry }
        const next = advanced(this.policy, entry, circuit, countedBy(basis))
        return { entry: { ...next, words: operator, held: next.held || circuit.state === "forced_open" } }
      })
      // Reads first if it never has, because the transition is announced only if the state before it is known.
      const ordered = this.queue.hasRead ? change : Effect.andThen(this.queue.read, change)
      const asked = Fiber.await(authority.fork(Effect.exit(this.asked(operation, ordered))))
      return Effect.flatMap(Effect.interruptible(asked), (exit) =>
        exit._tag === "Success" && exit.value._tag === "Failure" ? here : Effect.void)
    })
  }

  private send(operation: string, change: Change, carriedOut?: (known: Known) => void): Effect.Effect<void, StoreFault> {
    return this.asked(operation, this.queue.change(change, carriedOut))
  }

  /** Runs what asks the store, within the time that a call may wait; a fault makes the part degraded. */
  private asked(operation: string, self: Effect.Effect<void, StoreFault>): Effect.Effect<void, StoreFault> {
    return Effect.tapError(
      this.authority.within(operation, self),
      (fault) =>
        Effect.sync(() => {
          if (fault.ofRecord !== true) this.authority.degrade(this.queue.part, operation, fault, this.id)
        })
    )
  }

  private announceProblem(problem: Problem): void {
    const { clock, hub } = this.authority
    if (!this.kept || !hub.listening) return
    hub.announce({ event: "store.corrupt", key: this.key, at: wallMillis(clock), problem })
  }
}
