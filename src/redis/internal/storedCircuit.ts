/** What the store holds for one circuit, and how this process follows it. */
import { Effect } from "effect"
import type { Circuit } from "../../Circuit.ts"
import type { Fresh } from "../../internal/circuit/fresh.ts"
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
  /** The time of the last look, and the epoch in which it was taken. */
  protected readAt = 0
  private epoch = -1
  /** Whether this process knows what the store holds. */
  protected looked = false
  private readonly id: string
  /** As long as the store gave no generation, which it tells as 0, this process counts from one of its own. */
  private readonly unknown: Circuit
  /** What the store said last: the circuit, and how new that is. */
  private confirmed: Circuit
  private revision = -1
  /** What this process told the store while it came back, and what the store made of it. */
  private merged: { readonly told: Circuit; readonly answer: Answer } | undefined
  /** What is wrong with the record, if that makes it useless: then this process decides for itself. */
  private unusable: Problem | undefined
  private corruptTold = false
  /** Nobody is told of what a circuit finds that is made for one question and then forgotten. */
  private readonly kept: boolean
  private readonly numbering: Fresh

  constructor(key: string, policy: CompiledPolicy, authority: Authority, fresh: Fresh, kept: boolean) {
    this.key = key
    this.policy = policy
    this.authority = authority
    this.kept = kept
    this.numbering = fresh
    this.id = circuitId.encode(key)
    this.confirmed = this.unknown = fresh.circuit
    this.replica = new Replica(key, policy, authority.hub, fresh.circuit, fresh.pass)
  }

  /** Whether this process decides for itself. */
  protected get alone(): boolean {
    return this.authority.alone || this.unusable !== undefined
  }

  /** Whether the replica may answer: no message was missed since the last look, or there is nobody else to ask. */
  protected get fresh(): boolean {
    return this.epoch === this.authority.epoch || this.alone
  }

  /** Takes over what another process did. */
  learn(read: Read): void {
    this.adopt(this.localized(read))
  }

  /** Whether this process alone took the circuit elsewhere, so that the store has to hear of it. */
  get diverged(): boolean {
    const { generation, gateUntil, openUntil } = this.replica.current
    const known = this.merged?.told ?? this.confirmed
    return this.unusable === undefined && (generation !== known.generation ||
      gateUntil > known.gateUntil || openUntil > known.openUntil)
  }

  /** Follows the store from here on: its next view counts, whatever came before. */
  rejoin(): void {
    this.revision = -1
    if (this.merged !== undefined) this.follow(this.merged.answer)
    this.merged = undefined
  }

  /** Tells the store what this process knows. */
  get merge(): Effect.Effect<void, RedisFault> {
    return Effect.suspend(() => {
      const { current, hold } = this.replica
      // The store knows this circuit by the generation it gave, not by those of the time alone.
      const generation = this.inStore(this.confirmed.generation)
      const moved = current.generation !== (this.merged?.told ?? this.confirmed).generation
      // One that was told of as something else does not come again.
      const told = moved ? Math.max(current.generation, generation + 1) : generation
      const takesBack = moved && this.merged !== undefined && current.reason === "reset"
      const mine = { ...current, generation }
      const written = writeCircuit(mine, this.revision, hold, this.authority.now(), told, takesBack)
      return Effect.map(this.query("merge", written), (answer) => {
        this.revision = -1
        if (!this.alone) return this.adopt(answer)
        // Until all circuits are told of, this process goes on by itself, or there would be no end to it.
        this.confirmed = answer.circuit
        this.merged = { told: current, answer }
      })
    })
  }

  /** Asks the store, and takes over what it says of the circuit. */
  protected send(operation: Operation, ...args: ReadonlyArray<string | number>): Effect.Effect<Answer, RedisFault> {
    return Effect.tap(this.query(operation, ...args), (answer) => Effect.sync(() => this.adopt(answer)))
  }

  /** Asks the store. Whatever it answers was so after the question. */
  protected query(operation: Operation, ...args: ReadonlyArray<string | number>): Effect.Effect<Answer, RedisFault> {
    const asked = Effect.suspend(() => {
      const { authority, confirmed, id, policy } = this
      // Whatever happened before the question is in the answer.
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
    // The store may have lost what this process has seen.
    const heard = Effect.filterOrElse(
      asked,
      ({ status }) => status !== "stale",
      () => Effect.andThen(this.merge, asked)
    )
    return Effect.tapError(
      this.authority.within(operation, heard),
      (fault) => Effect.sync(() => this.failed(operation, fault))
    )
  }

  /** Takes over what the store says, unless this process goes on by itself meanwhile. */
  protected adopt(read: Read): void {
    if (!this.alone) this.follow(read)
  }

  // Only what is newer than what this process knows of the store.
  private follow(read: Read): void {
    const known = this.inStore(this.confirmed.generation)
    const generation = this.inStore(read.circuit.generation)
    const isNews = generation > known || (generation === known && read.revision > this.revision)
    if (!isNews) return
    // What a process finds is no transition, but what comes after is, and after what it did by itself.
    const told = this.looked || this.inStore(this.replica.generation) > 0
    this.looked = true
    this.revision = read.revision
    // Circuits that the store does not know share one state: most keys never see a failure.
    if (read.revision === 0 && this.replica.current === this.unknown) return
    this.replica.adopt(this.authority.clock, read, told)
    this.confirmed = this.replica.current
    // The one that is made for the key next does not begin before what this one tells.
    if (!this.kept) this.numbering.outlive(this.confirmed)
  }

  /** A generation as the store knows it. */
  protected inStore(generation: number): number {
    return generation === this.unknown.generation ? 0 : generation
  }

  private localized<A extends Read>(read: A): A {
    const { circuit } = read
    return circuit.generation > 0 ? read : { ...read, circuit: { ...circuit, generation: this.unknown.generation } }
  }

  private failed(operation: Operation, fault: RedisFault): void {
    const problem = problems[fault.code]
    if (problem === undefined) return this.authority.lost(operation, fault, this.id)
    if (this.unusable !== problem) this.tellCorrupt(problem)
    this.unusable = problem
  }

  private notice({ corrupt, mismatch }: Answer): void {
    if (this.unusable !== undefined) this.rejoin()
    this.unusable = undefined
    if (corrupt && !this.corruptTold) this.tellCorrupt("unreadable_fields")
    this.corruptTold = corrupt
    if (mismatch && this.kept) this.replica.disagree(this.authority.clock)
  }

  private tellCorrupt(problem: Problem): void {
    const { clock, hub } = this.authority
    if (!this.kept || !hub.listening) return
    hub.announce({ event: "store.corrupt", key: this.key, at: wallMillis(clock), problem })
  }
}

type Problem = "unreadable_fields" | "wrong_type" | "newer_version"

// Faults of one record, not of the store: it is left alone, and this process decides for itself.
const problems: Readonly<Record<string, Problem>> = { WRONGTYPE: "wrong_type", NEWER: "newer_version" }
