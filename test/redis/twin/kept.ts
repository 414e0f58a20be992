/** A circuit in Redis, asked by hand. */
import { assert } from "@effect/vitest"
import { type CircuitPolicy, TripPolicy } from "effect-resilience"
import type { Redis } from "ioredis"
import { type Operation, operations } from "../../../src/redis/internal/luaOperations.ts"
import { type Answer, readAnswer } from "../../../src/redis/internal/record.ts"
import { compiled, start } from "./machine.ts"
import { argumentsOf, type Asking, type Script } from "./script.ts"

/** What the script does that the machine cannot tell of: each by its name, for the script or a mutant of it. */
export type Scenarios = Readonly<Record<string, (script: Script) => Promise<void>>>

type Named = Readonly<Record<string, string | number>>

const usual: Named = { leaseMillis: 10_000, forMillis: 60_000 }

export class Kept {
  readonly script: Script
  readonly key: string
  /** How it is asked, unless told otherwise. */
  asking: Asking
  /** That of the last answer. */
  generation = 0

  constructor(script: Script, policy: CircuitPolicy.CircuitPolicy = { tripPolicy: TripPolicy.consecutive(2) }) {
    this.script = script
    this.key = script.key()
    this.asking = { policy: compiled(policy), now: start }
  }

  get redis(): Redis {
    return this.script.redis
  }

  /** The arguments of an operation, of which those that matter are named; `openMillis` are those of any opening. */
  argumentsOf(operation: Operation, named: Named = {}, asking: Partial<Asking> = {}): ReadonlyArray<string> {
    const { openMillis = 60_000 } = named
    const given: Named = {
      ...usual,
      generation: this.generation,
      firstMillis: openMillis,
      nextMillis: openMillis,
      ...named
    }
    const args = operations[operation].map((name) => given[name.replace(":", "")] ?? (name.startsWith(":") ? "" : 0))
    return argumentsOf(operation, args, { ...this.asking, ...asking })
  }

  async ask(operation: Operation, named?: Named, asking?: Partial<Asking>): Promise<Answer> {
    const reply = await this.script.run(this.key, this.argumentsOf(operation, named, asking))
    // In the time of the server.
    const answer = readAnswer(reply, Number((reply as ReadonlyArray<string>)[1]))
    if (typeof answer !== "object") return assert.fail(`no answer: ${JSON.stringify(reply)}`)
    this.generation = answer.circuit.generation
    return answer
  }

  /** Trips it, for so long. */
  async open(millis = 60_000): Promise<Answer> {
    const answer = await this.ask("report", { outcome: "OpenNow", kind: "quota_exhausted", openMillis: millis })
    assert.strictEqual(answer.circuit.state, "open")
    return answer
  }

  /** Trips it, waits until that is over, and claims its first probe. */
  async probe(leaseMillis = 10_000): Promise<Answer> {
    await this.open(1000)
    this.wait(1000)
    const answer = await this.ask("claim", { leaseMillis })
    assert.strictEqual(answer.circuit.state, "half_open")
    return answer
  }

  wait(millis: number): void {
    this.asking = { ...this.asking, now: this.asking.now! + millis }
  }

  stored(): Promise<Record<string, string>> {
    return this.redis.hgetall(this.key)
  }
}
