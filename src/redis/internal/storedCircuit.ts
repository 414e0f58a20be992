/** A circuit whose record is in Redis, and the replica by which this process follows it. */
import { Effect } from "effect"
import type { Circuit } from "../../Circuit.ts"
import type { Initial } from "../../internal/circuit/initial.ts"
import { wallMillis } from "../../internal/clock/time.ts"
import type { CompiledPolicy } from "../../internal/options/compiledPolicy.ts"
import type { Authority } from "./authority.ts"
import * as circuitId from "./circuitId.ts"
import type { Operation } from "./luaOperations.ts"
import { RedisFault } from "./port.ts"
import { type Answer, type Read, readAnswer, writeCircuit } from "./record.ts"
import { Replica } from "./replica.ts"
import { wirePolicy } from "./wirePolicy.ts"

export class StoredCircuit {
  readonly key: string
  readonly policy: CompiledPolicy
  protected readonly authority: Authority
  protected readonly replica: Replica
  /** When the record was read last, and in which epoch. */
  protected readAt = 0
  private epoch = -1
  /** Whether the record was read at all. */
  protected hasRead = false
  private readonly id: string
  /** The circuit of this process as long as Redis has no record, whose generation is 0 there and unique here. */
  private readonly unknown: Circuit
  /** The record that was read last, and its revision. */
  private confirmed: Circuit
  private revision = -1
  /** What this process sent to be merged after an outage, and what Redis made of it. */
  private merged: { readonly sent: Circuit; readonly answer: Answer } | undefined
  /** Why the record cannot be used, if so: then this process decides by itself. */
  private unusable: Problem | undefined
  private corruptAnnounced = false
  /** False for a circuit that is made to answer one question: it publishes no events, because no call uses it. */
  private readonly kept: boolean
  private readonly numbering: Initial

  constructor(key: string, policy: CompiledPolicy, authority: Authority, initial: Initial, kept: boolean) {
    this.key = key
    this.policy = policy
    this.authority = authority
    this.kept = kept
    this.numbering = initial
    this.id = circuitId.encode(key)
    this.confirmed = this.unknown = initial.circuit
    this.replica = new Replica(key, policy, authority.hub, initial.circuit, initial.pass)
  }

  /** Whether this process decides by itself. */
  protected get degraded(): boolean {
    return this.authority.degraded || this.unusable !== undefined
  }

  /** Whether the replica may decide: no message was missed since the record was read, or Redis cannot be asked. */
  protected get upToDate(): boolean {
    return this.epoch === this.authority.epoch || this.degraded
  }

  /** Takes over a record that another process has published. */
  learn(read: Read): void {
    this.adopt(this.localized(read))
  }

  /** Whether this process moved the circuit while Redis was away, so that it has to be merged. */
  get diverged(): boolean {
    const { generation, gateUntil, openUntil } = this.replica.current
    const known = this.merged?.sent ?? this.confirmed
    return this.unusable === undefined && (generation !== known.generation ||
      gateUntil > known.gateUntil || openUntil > known.openUntil)
  }

  /** Follows Redis again: the next record counts, whatever its revision. */
  rejoin(): void {
    this.revision = -1
    if (this.merged !== undefined) this.follow(this.merged.answer)
    this.merged = undefined
  }

  /** Merges what this process knows into the record. */
  get merge(): Effect.Effect<void, RedisFault> {
    return Effect.suspend(() => {
      const { current, hold } = this.replica
      // The record's generation, because those that this process counted while it was degraded are unknown to Redis.
      const generation = this.inStore(this.confirmed.generation)
      const moved = current.generation !== (this.merged?.sent ?? this.confirmed).generation
      // Events have named the generations of this process: none of them may name another opening later.
      const announced = moved ? Math.max(current.generation, generation + 1) : generation
      const takesBack = moved && this.merged !== undefined && current.reason === "reset"
      const mine = { ...current, generation }
      const written = writeCircuit(mine, this.revision, hold, this.authority.now(), announced, takesBack)
      return Effect.map(this.query("merge", written), (answer) => {
        this.revision = -1
        if (!this.degraded) return this.adopt(answer)
        // This process stays degraded until all circuits are merged, because each that followed Redis could fail again.
        this.confirmed = answer.circuit
        this.merged = { sent: current, answer }
      })
    })
  }

  /** Runs an operation, and takes over the record that it answers with. */
  protected send(operation: Operation, ...args: ReadonlyArray<string | number>): Effect.Effect<Answer, RedisFault> {
    return Effect.tap(this.query(operation, ...args), (answer) => Effect.sync(() => this.adopt(answer)))
  }

  /** Runs an operation. The record that it answers with is at least as new as the question. */
  protected query(operation: Operation, ...args: ReadonlyArray<string | number>): Effect.Effect<Answer, RedisFault> {
    const asked = Effect.suspend(() => {
      const { authority, confirmed, id, policy } = this
      // Read before the question: what was published until then is in the answer, what follows may not be.
      const { epoch } = authority
      return Effect.flatMap(
        authority.operate(operation, id, this.inStore(confirmed.generation), wirePolicy(policy), args),
        (reply) => {
          const now = authority.now()
          const answer = readAnswer(reply, now)
          if (answer === undefined) return Effect.fail(new RedisFault({ code: "REPLY" }))
          if (answer === "newer") return Effect.fail(new RedisFault({ code: "NEWER" }))
          this.epoch = Math.max(this.epoch, epoch)
          this.readAt = now
          this.notice(answer)
          return Effect.succeed(this.localized(answer))
        }
      )
    })
    // Redis may have lost a record that this process has seen: it brings that in, and asks again.
    const answered = Effect.filterOrElse(
      asked,
      ({ status }) => status !== "stale",
      () => Effect.andThen(this.merge, asked)
    )
    return Effect.tapError(
      this.authority.within(operation, answered),
      (fault) => Effect.sync(() => this.failed(operation, fault))
    )
  }

  /** Takes over a record, unless this process is degraded meanwhile. */
  protected adopt(read: Read): void {
    if (!this.degraded) this.follow(read)
  }

  // Takes over a record that is newer than the one that was read last.
  private follow(read: Read): void {
    const known = this.inStore(this.confirmed.generation)
    const generation = this.inStore(read.circuit.generation)
    const isNews = generation > known || (generation === known && read.revision > this.revision)
    if (!isNews) return
    // A transition is announced if it happened while this process watched: not what the first read finds, unless the
    // process has moved the circuit by itself before.
    const announces = this.hasRead || this.inStore(this.replica.generation) > 0
    this.hasRead = true
    this.revision = read.revision
    // Keeps the state that all circuits without a record share, because most keys never see a failure.
    if (read.revision === 0 && this.replica.current === this.unknown) return
    this.replica.adopt(this.authority.clock, read, announces)
    this.confirmed = this.replica.current
    // The next circuit of this key must not count from a generation that this one has shown.
    if (!this.kept) this.numbering.outlive(this.confirmed)
  }

  /** A generation as Redis knows it: 0 while there is no record. */
  protected inStore(generation: number): number {
    return generation === this.unknown.generation ? 0 : generation
  }

  private localized<A extends Read>(read: A): A {
    const { circuit } = read
    return circuit.generation > 0 ? read : { ...read, circuit: { ...circuit, generation: this.unknown.generation } }
  }

  private failed(operation: Operation, fault: RedisFault): void {
    const problem = problems[fault.code]
    if (problem === undefined) return this.authority.degrade(operation, fault, this.id)
    if (this.unusable !== problem) this.announceCorrupt(problem)
    this.unusable = problem
  }

  private notice({ corrupt, mismatch }: Answer): void {
    if (this.unusable !== undefined) this.rejoin()
    this.unusable = undefined
    if (corrupt && !this.corruptAnnounced) this.announceCorrupt("unreadable_fields")
    this.corruptAnnounced = corrupt
    if (mismatch && this.kept) this.replica.disagree(this.authority.clock)
  }

  private announceCorrupt(problem: Problem): void {
    const { clock, hub } = this.authority
    if (!this.kept || !hub.listening) return
    hub.announce({ event: "store.corrupt", key: this.key, at: wallMillis(clock), problem })
  }
}

type Problem = "unreadable_fields" | "wrong_type" | "newer_version"

// Faults of one record, which do not make the process degraded: only this circuit decides by itself.
const problems: Readonly<Record<string, Problem>> = { WRONGTYPE: "wrong_type", NEWER: "newer_version" }
