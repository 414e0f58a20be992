/** Runs a plan, and looks after every step whether the fleet has kept what it promises. */
import { Duration, Effect } from "effect"
import { Circuit, type CircuitEvent, type CircuitState, type RecordStore } from "effect-resilience"
import { SimulatedRecordStore } from "effect-resilience/testing"
import * as circuitId from "../../src/internal/shared/circuitId.ts"
import { type Entry, read } from "../../src/internal/shared/entry.ts"
import { isLegal } from "../model/isLegal.ts"
import { Dice } from "../soak/Dice.ts"
import { Broken } from "./Broken.ts"
import { type Call, leaseMillis, Member, operationMillis } from "./Member.ts"
import { type Plan, type Step, trips } from "./plan.ts"
import { epochMillis, VirtualTime } from "./VirtualTime.ts"

export interface Violation {
  readonly promise: string
  readonly detail: string
  readonly step: number
  readonly atMillis: number
}

export interface Result {
  readonly violation: Violation | undefined
  /** What happened, so that a test can see that a simulation goes everywhere. */
  readonly sights: ReadonlyMap<string, number>
}

export interface Options {
  readonly log?: ((line: string) => void) | undefined
  readonly wrap?: ((store: RecordStore.RecordStore["Service"]) => RecordStore.RecordStore["Service"]) | undefined
}

export const simulate = (plan: Plan, options: Options = {}): Result => {
  // What the engine draws is drawn from the seed, too.
  const { random } = Math
  const dice = new Dice(`draws ${plan.seed}`)
  Math.random = () => dice.share()
  try {
    return new Simulation(plan, options).run()
  } finally {
    Math.random = random
  }
}

interface Written {
  readonly kept: SimulatedRecordStore.Kept
  readonly entry: Entry
}

/** Until when a process turned calls away, and how often the fleet had been let go by then. */
interface Held {
  readonly until: number
  readonly released: number
  readonly detail: string
}

type Transition = CircuitEvent.Transition

class Simulation {
  private readonly time = new VirtualTime()
  private readonly server = SimulatedRecordStore.make()
  private readonly dice: Dice
  private readonly plan: Plan
  private readonly options: Options
  private readonly keys: ReadonlyArray<string>
  private members: Array<Member> = []
  private readonly sights = new Map<string, number>()
  private broken: Broken | undefined
  private at = 0
  /** Whether no fault has touched the fleet since it agreed last. */
  private isCalm = true
  private hasClockStepped = false
  /** Whether a record was lost, and whether the store did anything else wrong: not all that processes know is the same. */
  private hasLost = false
  private hasFault = false
  private largestLatency = 0
  private diedAt = -Infinity
  private endedAt = 0
  private readonly written = new Map<string, Written>()
  private readonly names = new Map<string, string>()
  private readonly endedOutages = new Set<number>()
  private snapshot: ReadonlyMap<string, SimulatedRecordStore.Kept> = new Map()
  private readonly last = new Map<Member, Map<string, Transition>>()
  private readonly held = new Map<Member, Map<string, Held>>()
  private readonly released = new Map<string, number>()
  /** How often the fleet had been let go when a generation was first seen. */
  private readonly releasedBefore = new Map<string, number>()
  private readonly successes = new Map<string, number>()
  private readonly successAt = new Map<string, number>()

  constructor(plan: Plan, options: Options) {
    this.plan = plan
    this.options = options
    this.dice = new Dice(`faults ${plan.seed}`)
    this.keys = Array.from({ length: plan.keys }, (_, index) => `model ${index}`)
    const { records } = this.server
    const set = records.set.bind(records)
    records.set = (id, kept) => {
      this.wrote(id, kept)
      return set(id, kept)
    }
  }

  run(): Result {
    const { plan } = this
    try {
      this.members = plan.processes.map((_, index) => this.start(index))
      this.pass(0)
      for (const [index, step] of plan.steps.entries()) {
        this.at = index
        this.log(JSON.stringify(step))
        this.see(step.do === "fault" ? step.fault : step.do)
        this.take(step)
        this.pass(0)
        this.look()
      }
      this.at = plan.steps.length
      this.calm()
      return { violation: undefined, sights: this.sights }
    } catch (error) {
      const broken = error instanceof Broken ? error : new Broken("nothing throws", String((error as Error).stack))
      const violation = { promise: broken.promise, detail: broken.message, step: this.at, atMillis: this.time.now }
      return { violation, sights: this.sights }
    }
  }

  private log(line: string): void {
    this.options.log?.(`${String(this.time.now).padStart(6)} ${line}`)
  }

  private see(sight: string): void {
    this.sights.set(sight, (this.sights.get(sight) ?? 0) + 1)
  }

  /** Lets time pass, and ends the run if a promise was broken meanwhile. */
  private pass(millis: number): void {
    this.time.advance(millis)
    if (this.broken !== undefined) throw this.broken
  }

  private fail(promise: string, detail: string): void {
    this.broken ??= new Broken(promise, detail)
  }

  private start(index: number): Member {
    const { options, plan, server, time } = this
    const process = plan.processes[index]!
    return new Member(
      index,
      { ...process, ageMillis: process.ageMillis + Math.round(time.now) },
      server,
      time.clock(0, -epochMillis),
      time,
      {
        onEvent: (member, event) => this.heard(member, event),
        onRun: (call) => this.ran(call),
        onEnd: (call, outcome) => {
          this.log(
            `  p${call.member.index} ${call.key}: ${call.says} ${
              call.ranAt === undefined ? "was turned away" : "ended"
            }`
          )
          this.endedAt = time.now
          if (outcome?._tag !== "Success") return
          this.successes.set(call.key, (this.successes.get(call.key) ?? 0) + 1)
          this.successAt.set(call.key, time.now)
          if (call.probeOf !== undefined) this.release(call.key)
        },
        onOrder: (key, order, waitedMillis) => {
          if (order !== "force") this.release(key)
          if (waitedMillis > operationMillis) {
            this.fail("an order waits no longer than operationTimeout", `${waitedMillis} ms`)
          }
        },
        fail: (broken) => this.broken ??= broken
      },
      options.wrap
    )
  }

  private release(key: string): void {
    this.released.set(key, (this.released.get(key) ?? 0) + 1)
  }

  private member(index: number): Member | undefined {
    const member = this.members[index]
    return member?.isUp === true && !member.isGone ? member : undefined
  }

  private get living(): ReadonlyArray<Member> {
    return this.members.filter(({ isGone, isUp }) => isUp && !isGone)
  }

  private take(step: Step): void {
    const { dice, keys, server, time } = this
    switch (step.do) {
      case "wait":
        return this.pass(step.millis)
      case "call":
        this.member(step.process)?.call(keys[step.key]!, step.says, step.millis, step.streams)
        return
      case "interrupt":
        return this.interrupt(step.process)
      case "outage":
        return this.outage(step.process, keys[step.key]!)
      case "hum": {
        // Longer than the finest slots of the windows are kept.
        const member = this.member(step.process)
        if (member === undefined) return
        for (let call = 0; call < 65; call++) {
          member.call(keys[step.key]!, call % 20 === 0 ? "overloaded" : "success", 0, false)
          this.pass(100)
        }
        return
      }
      case "order": {
        const member = this.member(step.process)
        if (member === undefined) return
        if (step.order !== "force") this.release(keys[step.key]!)
        return member.order(keys[step.key]!, step.order, step.millis)
      }
      case "fault": {
        this.isCalm = false
        this.hasFault = true
        if (step.fault === "latency") this.largestLatency = Math.max(this.largestLatency, step.value)
        if (step.process >= 0) return this.member(step.process)?.fault(step.fault, step.value, dice)
        server.faults.isDown = true
        return
      }
      case "heal":
        return this.heal()
      case "keep":
        this.snapshot = new Map(server.records)
        return
      case "lose": {
        this.isCalm = false
        this.hasLost = true
        const id = circuitId.encode(keys[step.key]!)
        server.records.delete(id)
        this.written.delete(id)
        // A store issues a generation in each microsecond at most, and this one has only milliseconds.
        return this.pass(1)
      }
      case "rollBack":
        this.isCalm = false
        this.hasLost = true
        server.records.clear()
        this.written.clear()
        for (const [id, kept] of this.snapshot) {
          const { outage } = this.entryOf(kept).circuit
          this.endedOutages.delete(outage)
          this.names.set(`${id} ${kept.generation}`, this.nameOf(this.entryOf(kept)))
          server.records.set(id, kept)
        }
        return this.pass(1)
      case "cut":
        this.isCalm = false
        this.hasFault = true
        this.run1(server.cut)
        return
      case "clock":
        this.isCalm = false
        this.hasClockStepped = true
        server.faults.clockMillis += step.millis
        return
      case "die":
      case "leave":
        if (this.living.length < 2 || this.member(step.process) === undefined) return
        this.diedAt = time.now
        return this.member(step.process)!.leave(step.do === "die")
      case "come": {
        if (this.members[step.process]?.isGone !== true) return
        this.members[step.process] = this.start(step.process)
        return
      }
      case "calm":
        return this.calm()
    }
    throw new Error(`${time.now}: no step`)
  }

  private run1(effect: SimulatedRecordStore.SimulatedRecordStore["cut"]): void {
    Effect.runForkWith(this.time.context(0, 0))(effect)
  }

  private heal(): void {
    this.server.faults.isDown = false
    for (const member of this.members) if (!member.isGone) member.heal()
  }

  private interrupt(process: number): void {
    const member = this.member(process)
    const [call] = member?.calls ?? []
    if (call === undefined) return
    member!.interrupt(call)
    this.pass(0)
    if (call.endedAt === undefined) this.fail("an interrupted call ends at once", `${call.says} goes on`)
  }

  /** A process, or a fleet, that gets nothing but failures opens its circuit, whether or not it has a store. */
  private outage(process: number, key: string): void {
    const one = process < 0 ? undefined : this.member(process)
    const members = process < 0 ? this.living : one === undefined ? [] : [one]
    const stands = () => {
      const views = members.map((member) => member.used.has(key) ? member.view(key) : { _tag: "Closed", generation: 0 })
      const shown = views.map(({ _tag, generation }) => `${_tag} ${generation}`)
      return [this.written.get(circuitId.encode(key))?.kept.generation, this.successes.get(key), ...shown].join(", ")
    }
    const degraded = () => members.map(({ isDegraded }) => isDegraded).join()
    const isQuiet = this.time.now - (this.successAt.get(key) ?? -Infinity) > 250
    const before = [stands(), degraded()]
    const enough = Math.min(...members.map(({ plan }) => trips[plan.trip]!.enough ?? Number.POSITIVE_INFINITY))
    if (members.length === 0) return
    // A process counts what its own policy needs, and so failures in a row only if it looks at them.
    const areAlike = members.every(({ plan }) => plan.trip === members[0]!.plan.trip)
    const calls = Math.min(enough, 8) + members.length - 1
    for (let call = 0; call < calls; call++) {
      const made = members[call % members.length]!.call(key, "connection", 0, false)
      for (let waited = 0; made.endedAt === undefined && waited < 500; waited += 5) this.pass(5)
      if (made.ranAt === undefined) return
      this.pass(5)
    }
    if (!isQuiet || !areAlike || enough > 8 || this.hasClockStepped || (process < 0 && !this.isCalm)) return
    if (stands() === before[0] && degraded() === before[1] && before[0]!.includes("Closed")) {
      this.fail(
        "an outage opens the circuit, also without a store",
        `after ${calls} failures in a row: ${stands()}, degraded: ${degraded()}`
      )
    }
  }

  private entryOf(kept: SimulatedRecordStore.Kept): Entry {
    return read(kept.state, kept.generation, 0, 0, { gateMillis: Circuit.never })!.entry
  }

  private nameOf({ circuit: { outage, reason, state } }: Entry): string {
    return `${state} by ${reason}, outage ${outage}`
  }

  private get storeNow(): number {
    return epochMillis + Math.floor(this.time.now) + this.server.faults.clockMillis
  }

  /** The store has carried an update out. */
  private wrote(id: string, kept: SimulatedRecordStore.Kept): void {
    const before = this.written.get(id)
    const entry = this.entryOf(kept)
    this.written.set(id, { kept, entry })
    const slots = new Map<string, number>()
    for (const name of kept.counters.keys()) {
      const measure = name.slice(0, name.indexOf(":"))
      slots.set(measure, (slots.get(measure) ?? 0) + 1)
    }
    const finest = Math.max(0, ...slots.values())
    if (finest > maxFinest || kept.counters.size > maxCounters || kept.state.length > maxText) {
      this.fail("memory is bounded", `${finest} of ${kept.counters.size} counters, ${kept.state.length} characters`)
    }
    const { circuit } = entry
    const name = this.nameOf(entry)
    const known = this.names.get(`${id} ${kept.generation}`)
    if (known !== undefined && known !== name) {
      this.fail("a generation names one state", `${kept.generation}: ${known}, then ${name}`)
    }
    this.names.set(`${id} ${kept.generation}`, name)
    this.firstSeen(circuitId.decode(id), kept.generation)
    if (before === undefined) return
    const was = before.entry.circuit
    if (kept.revision < before.kept.revision || kept.generation < before.kept.generation) {
      this.fail("revisions and generations never go back", `${before.kept.revision} to ${kept.revision}`)
    }
    if (kept.generation !== before.kept.generation) {
      this.log(`  record ${was.state} → ${circuit.state} (${circuit.reason}) ${kept.generation}`)
      this.see(circuit.reason)
      if (was.outage !== 0 && circuit.outage !== was.outage) this.endedOutages.add(was.outage)
    }
    if (!this.isCalm) return
    if (kept.generation !== before.kept.generation && !isLegal(was.state, circuit.reason, circuit.state)) {
      this.fail("only legal edges", `${was.state} → ${circuit.state} (${circuit.reason})`)
    }
    if (circuit.outage !== 0 && this.endedOutages.has(circuit.outage)) {
      this.fail("an outage that has ended does not come back", name)
    }
    const early = was.openUntil - this.storeNow
    if (was.state !== circuit.state && circuit.reason === "cooldown_elapsed" && early > 2) {
      this.fail("an open circuit rejects until its deadline", `half-open ${early} ms too early`)
    }
  }

  private heard(member: Member, event: CircuitEvent.CircuitEvent): void {
    if (!("to" in event)) {
      if ("generation" in event) return
      this.log(`  p${member.index} ${event.event}`)
      return
    }
    this.log(`  p${member.index} ${event.key}: ${event.from} → ${event.to} (${event.reason}) ${event.generation}`)
    const seen = this.last.get(member) ?? new Map<string, Transition>()
    this.last.set(member, seen)
    const before = seen.get(event.key)
    seen.set(event.key, event)
    if (Circuit.edges[event.reason].to !== event.to) this.fail("only legal edges", `${event.to} by ${event.reason}`)
    if (event.reason === "probe_succeeded" || event.reason === "reset") this.release(event.key)
    if (before !== undefined) {
      if (event.from !== before.to) {
        this.fail("transitions follow each other", `p${member.index}: ${event.from} → ${event.to} after ${before.to}`)
      }
      if (event.generation <= before.generation) {
        this.fail("generations never go back in a process", `${event.generation} after ${before.generation}`)
      }
    }
    if (event.to !== "open" && event.to !== "forced_open") return
    const known = this.names.get(`${circuitId.encode(event.key)} ${event.generation}`)
    const outage = parseInt(event.outage_id, 36)
    // A process that decides by itself draws the numbers of its outages, because others may open in its generations.
    if (known !== undefined && !this.hasFault && !known.endsWith(`outage ${outage}`)) {
      this.fail("a generation names one opening", `p${member.index} says ${event.outage_id}, the record ${known}`)
    }
  }

  private ran(call: Call): void {
    if (call.probeOf === undefined) return
    this.see("probe")
    const running = this.living.flatMap(({ calls }) => [...calls]).filter((other) =>
      other.key === call.key && other.ranAt !== undefined && other.ranUntil === undefined &&
      other.probeOf === call.probeOf
    )
    const most = Math.max(...this.plan.processes.map(({ probes }) => probes))
    const bound = this.isCalm ? most : most * this.members.length
    if (running.length > bound) {
      this.fail("no more probes than the policy says", `${running.length} of ${bound} in generation ${call.probeOf}`)
    }
  }

  /** Every slot belongs to a call, or to a process that has died of late. */
  private lookForSlots(): void {
    if (this.hasLost || this.time.now - this.diedAt < leaseMillis + 100) return
    for (const key of this.keys) {
      const circuit = this.written.get(circuitId.encode(key))?.entry.circuit
      const slots = circuit?.probes.filter(({ leaseUntil }) => leaseUntil > this.storeNow).length ?? 0
      const calls = this.living.reduce(
        (sum, { calls }) => sum + [...calls].filter((call) => call.key === key).length,
        0
      )
      if (slots > calls) throw new Broken("no slot stays taken", `${slots} slots for ${calls} calls`)
    }
  }

  private firstSeen(key: string, generation: number): number {
    const name = `${key} ${generation}`
    const known = this.releasedBefore.get(name)
    if (known !== undefined) return known
    const released = this.released.get(key) ?? 0
    this.releasedBefore.set(name, released)
    return released
  }

  private get slack(): number {
    return 3 + 2 * this.largestLatency
  }

  /** Nothing but a close, a reset or another order ends what a process shows as open. */
  private look(): void {
    if (this.isCalm && this.time.now - this.endedAt > 100) this.lookForSlots()
    // What was lost may be brought in by a process that knows less than others.
    if (this.hasClockStepped || this.hasLost) return
    for (const member of this.living) {
      const held = this.held.get(member) ?? new Map<string, Held>()
      this.held.set(member, held)
      for (const key of member.used) {
        const state = member.view(key)
        const before = held.get(key)
        const until = this.openUntil(state)
        const released = this.released.get(key) ?? 0
        const seenAt = this.firstSeen(key, state.generation)
        if (
          before !== undefined && before.released === released &&
          this.time.now < before.until - this.slack && until < before.until - this.slack
        ) {
          throw new Broken(
            "an open circuit rejects until its deadline",
            `p${member.index}: ${before.detail}, now ${state._tag} ${state.generation} until ${until}`
          )
        }
        if (until > this.time.now) {
          held.set(key, { until, released: seenAt, detail: `${state._tag} ${state.generation} until ${until}` })
        } else held.delete(key)
      }
    }
  }

  private openUntil(state: CircuitState.CircuitState): number {
    if (state._tag !== "Open" && state._tag !== "ForcedOpen") return 0
    return state.retryAfter === undefined
      ? Number.POSITIVE_INFINITY
      : this.time.now + Duration.toMillis(state.retryAfter)
  }

  private traffic(rounds: number, millis: number): void {
    for (let round = 0; round < rounds; round++) {
      for (const member of this.living) for (const key of this.keys) member.call(key, "success", 0, false)
      this.pass(millis)
    }
  }

  /** The faults end. With a little traffic the fleet agrees, and is served again. */
  private calm(): void {
    this.heal()
    this.pass(2_000)
    this.lookForSlots()
    this.traffic(7, 700)
    this.pass(1_500)
    for (const member of this.members) {
      if (member.isGone) continue
      if (!member.isUp) throw new Broken("a process starts", `p${member.index} has not`)
      if (member.isDegraded) throw new Broken("no process stays degraded", `p${member.index}`)
      if (member.calls.size > 0) {
        throw new Broken("every call ends", `${member.calls.size} calls of p${member.index} go on`)
      }
    }
    for (const key of this.keys) this.agree(key)
    this.isCalm = true
    this.hasClockStepped = false
    this.hasLost = false
    this.hasFault = false
    this.largestLatency = 0
    this.held.clear()
    for (const key of this.keys) this.recover(key)
  }

  private agree(key: string): void {
    const record = this.written.get(circuitId.encode(key))
    const [first, ...others] = this.living.map((member) => ({ member, state: member.view(key) }))
    if (first === undefined) return
    const say = (state: CircuitState.CircuitState) => `${state._tag} ${state.generation} until ${this.openUntil(state)}`
    for (const { member, state } of others) {
      const [mine, theirs] = [this.openUntil(state), this.openUntil(first.state)]
      const differs = state._tag !== first.state._tag || state.generation !== first.state.generation ||
        (!this.hasClockStepped && mine !== theirs && Math.abs(mine - theirs) > 2)
      if (differs) {
        throw new Broken(
          "the fleet agrees when faults end",
          `p${first.member.index} ${say(first.state)}, p${member.index} ${say(state)}`
        )
      }
    }
    const { generation } = record?.kept ?? { generation: 0 }
    const stored = record?.entry.circuit.state ?? "closed"
    if (first.state.generation !== generation || states[first.state._tag] !== stored) {
      throw new Broken(
        "the fleet agrees with the record when faults end",
        `${say(first.state)}, record ${stored} ${generation}`
      )
    }
  }

  private recover(key: string): void {
    const [first] = this.living
    if (first === undefined) return
    const isSteered = () => {
      const state = first.view(key)
      return state._tag === "Disabled" || this.openUntil(state) === Number.POSITIVE_INFINITY
    }
    if (isSteered()) {
      this.release(key)
      first.order(key, "reset", 0)
      this.pass(20)
      for (const member of this.living) {
        const state = member.view(key)
        if (state._tag !== "Closed") throw new Broken("a reset works at once", `p${member.index} is ${state._tag}`)
      }
    }
    const areClosed = () => this.living.every((member) => member.view(key)._tag === "Closed")
    for (let round = 0; round < 15 && !areClosed(); round++) this.traffic(1, 700)
    if (!areClosed()) {
      const states = this.living.map((member) => `p${member.index} ${member.view(key)._tag}`)
      throw new Broken("a circuit closes when its dependency is well", states.join(", "))
    }
    this.pass(1_100)
    this.traffic(1, 200)
    const calls = this.living.map((member) => member.call(key, "success", 0, false))
    this.pass(operationMillis)
    for (const { member, ranAt } of calls) {
      if (ranAt === undefined) throw new Broken("a closed circuit lets calls pass", `p${member.index} turned one away`)
    }
  }
}

const states = {
  Closed: "closed",
  Open: "open",
  HalfOpen: "half_open",
  ForcedOpen: "forced_open",
  Disabled: "disabled"
} as const

// 200 slots of the ladder for each of three measures, and those that are dropped with the next update.
const maxCounters = 660
const maxFinest = 70
const maxText = 8_000
