/** Two processes or more, one record, and the network between them: a step at a time. */
import type { Circuit, Outcome } from "effect-resilience"
import type { CompiledPolicy } from "../../../src/internal/options/compiledPolicy.ts"
import type { Settings } from "../../../src/redis/internal/authority.ts"
import { begin, type History, type Invariant, type Moment, record, viewOf } from "../history.ts"
import { sound, type Transitions } from "../Transitions.ts"
import { HandAuthority } from "./HandAuthority.ts"
import { insideOf } from "./inside.ts"
import { type MakeCircuit, Process } from "./Process.ts"
import { absent, type Message } from "./record.ts"
import { Server } from "./Server.ts"

/** Steps carry the number of the process that takes them. */
export type Step =
  | { readonly _tag: "Wait"; readonly millis: number }
  | { readonly _tag: "LoseRecord" }
  | { readonly _tag: "Call" | "Serve" | "Receive" | "Beat" | "Die"; readonly process: number }
  | { readonly _tag: "End"; readonly process: number; readonly call: number; readonly outcome: Outcome.Outcome }
  | { readonly _tag: "Interrupt"; readonly process: number; readonly call: number }
  | { readonly _tag: "Hear" | "Lose" | "HearTwice"; readonly process: number; readonly message: number }
  | { readonly _tag: "Force"; readonly process: number; readonly millis: number | undefined }
  | { readonly _tag: "Reset" | "Disable" | "Enable"; readonly process: number }

export interface Setting {
  readonly policy: CompiledPolicy
  readonly settings: Settings
  /** Whether every operation reaches the server as soon as it is sent; its answer may be late all the same. */
  readonly atOnce: boolean
  /** Those made so far, by their owner. */
  readonly authorities: Map<string, HandAuthority>
  readonly names: ReadonlyArray<string>
  readonly invariants: ReadonlyArray<Invariant>
  readonly transitions?: Transitions | undefined
  readonly makeCircuit?: MakeCircuit | undefined
}

export class Fleet {
  readonly processes: Array<Process>
  readonly server: Server
  now = 100
  history: History
  /** All steps so far. */
  readonly taken: Array<Step> = []
  private readonly setting: Setting
  private lives = 0

  constructor(setting: Setting) {
    this.setting = setting
    this.server = new Server(setting.transitions ?? sound)
    this.processes = setting.names.map((name) => this.born(name))
    this.history = begin(absent.circuit, setting.names)
  }

  /** Takes a step, and checks what it did. */
  take(step: Step): void {
    this.taken.push(step)
    this.begin(step)
    if (!this.setting.atOnce) return
    for (const process of this.processes) {
      while (process.requests.length > 0) this.serve(process)
    }
  }

  private begin(step: Step): void {
    switch (step._tag) {
      case "Wait":
        return this.wait(step.millis)
      case "LoseRecord": {
        const before = this.record
        this.server.stored = undefined
        return this.look({ by: "forgetting", before })
      }
      case "Serve":
        return this.serve(this.processes[step.process]!)
      case "Die": {
        const former = this.processes[step.process]!
        const born = this.born(former.name)
        this.processes[step.process] = born
        return this.look({ found: { process: born.name, view: viewOf(absent.circuit) } })
      }
      default:
        return this.at(this.processes[step.process]!, step)
    }
  }

  private at(process: Process, step: Exclude<Step, { readonly _tag: "Wait" | "LoseRecord" | "Serve" | "Die" }>): void {
    const before = insideOf(process)
    let made: Moment["made"]
    switch (step._tag) {
      case "Call":
        process.call()
        break
      case "End":
        process.end(process.calls[step.call]!, step.outcome)
        break
      case "Interrupt":
        process.interrupt(process.calls[step.call]!)
        break
      case "Receive": {
        const { moved, served: { reply: { stored: { circuit } } } } = process.receive()
        const view = this.history.views[process.name]!
        // A maker that has never read takes over what it finds, and one that knows of something later keeps it.
        const isNews = before.hasRead && before.circuit === process.circuit &&
          circuit.generation > before.confirmed.generation
        if (moved && isNews && circuit.state !== view.state) {
          made = { process: process.name, generation: circuit.generation }
        }
        break
      }
      case "Hear":
        process.hear(process.messages.splice(step.message, 1)[0]!)
        break
      case "HearTwice":
        process.hear(process.messages[step.message]!)
        break
      case "Lose":
        process.messages.splice(step.message, 1)
        break
      case "Beat":
        process.beat()
        break
      case "Force":
        process.steer("force", step.millis)
        break
      default:
        process.steer(step._tag === "Reset" ? "reset" : step._tag === "Disable" ? "disable" : "enable")
    }
    const after = insideOf(process)
    const isNew = after.hasRead && (!before.hasRead || before.circuit !== after.circuit)
    const found = isNew
      ? { process: process.name, view: { state: after.replica.state, generation: after.generation } }
      : undefined
    this.look({ made, found })
  }

  private serve(process: Process): void {
    const { answer, args } = process.requests.shift()!
    const before = this.record
    const served = this.server.serve(args, this.now)
    const moved = this.record.state !== before.state
    process.answers.push({ args, served, moved, answer })
    if (served.message !== undefined) this.publish(process, served.message)
    const { admitted, ended } = served
    this.look({ by: args[0] === "merge" ? "merging" : "machine", before, admitted, ended })
  }

  private publish(from: Process, message: Message): void {
    for (const process of this.processes) {
      if (process !== from) process.messages.push(message)
    }
  }

  private born(name: string): Process {
    const { authorities, makeCircuit, policy, settings } = this.setting
    const owner = `${name}${++this.lives}`
    const authority = authorities.get(owner) ?? new HandAuthority(settings, owner)
    authorities.set(owner, authority)
    return new Process(name, policy, authority, () => this.now, makeCircuit)
  }

  get record(): Circuit.Circuit {
    return (this.server.stored ?? absent).circuit
  }

  private wait(millis: number): void {
    const before = this.record
    this.now += millis
    if (this.server.expire(this.now)) this.look({ by: "forgetting", before })
  }

  private look(moment: Partial<Moment>): void {
    const { now, record: after } = this
    const told = this.processes.flatMap(({ news }) => news)
    const { invariants, policy: { rules } } = this.setting
    // Whether a whole fleet comes back, `stuck` asks at the end of a run.
    const seen: Moment = { by: "machine", rules, now, before: after, after, told, recovers: () => true, ...moment }
    this.history = record(this.history, seen, invariants)
  }
}
