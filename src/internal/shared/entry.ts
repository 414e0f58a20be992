/** What a record says of a circuit: as text in the store and in its time, and as data in the time of this process. */
import * as Circuit from "../../Circuit.ts"
import type { Operator } from "../../CircuitStore.ts"
import { kinds } from "../../Outcome.ts"
import { type Learnt, nothing } from "../machine/adaptive.ts"
import type { SharedFailure } from "../machine/keyed.ts"
import { length, type Run, type Streak } from "../machine/streak.ts"

export interface Entry {
  readonly circuit: Circuit.Circuit
  /** The processes of the probes, by the numbers of the probes. */
  readonly owners: ReadonlyMap<number, string>
  /** The words of the last order of an operator, and whether a hold led to this outage. */
  readonly words: Operator
  readonly held: boolean
  /** Whether the circuit opened for slow calls only. */
  readonly latencyTripped: boolean
  readonly streak: Streak
  /** In the time of the store, as the slots from which it was learnt. */
  readonly learnt: Learnt
  /** The requests that failed last. */
  readonly failed: ReadonlyArray<SharedFailure>
}

export const empty = (generation: number): Entry => ({
  circuit: Circuit.initial(generation),
  owners: new Map(),
  words: {},
  held: false,
  latencyTripped: false,
  streak: [],
  learnt: nothing,
  failed: []
})

/** The version of the text. One that is newer is not touched. */
const version = 1

const times = ["openedAt", "openUntil", "closedAt", "outageAt", "rampUntil", "gateUntil", "hintUntil"] as const
const numbers = ["openMillis", "openings", "outage", "issued", "successes"] as const

/** The text of an entry, whose times are those of the store plus `shift`. */
export const write = (entry: Entry, shift: number): string => {
  const { circuit, learnt, owners, words } = entry
  const stored = (at: number) => at === 0 || at === Circuit.never ? at : at - shift
  return JSON.stringify({
    v: version,
    state: circuit.state,
    reason: circuit.reason,
    kind: circuit.lastFailureKind,
    ...Object.fromEntries(times.map((name) => [name, stored(circuit[name])])),
    ...Object.fromEntries(numbers.map((name) => [name, circuit[name]])),
    probes: circuit.probes.map(({ id, leaseUntil }) => [id, stored(leaseUntil), owners.get(id) ?? ""]),
    slow: entry.latencyTripped,
    words: [wellFormed(words.reason), wellFormed(words.actor)],
    held: entry.held,
    streak: entry.streak.map(({ at, by, failures }) => [stored(at), by, failures]),
    learnt: [learnt.rate, learnt.evidence, learnt.recordedAt, learnt.zone, learnt.recovery ?? null],
    failed: entry.failed.map((one) => [
      one.request,
      one.source,
      stored(one.firstAt),
      stored(one.lastAt),
      one.counted
    ])
  })
}

// Replaces halves of surrogate pairs, because not every store can keep them.
const wellFormed = (text: string | undefined) =>
  text === undefined ? null : new TextDecoder().decode(encoder.encode(text))
const encoder = new TextEncoder()

// How far two processes may be apart in what they take for the time of the store.
const toleranceMillis = 1_000

/** The longest that a gate may still be shut, and a circuit open, however the clock of the store was set back. */
export interface Longest {
  readonly gateMillis: number
}

export interface Read {
  readonly entry: Entry
  /** Whether some fields could not be read, and took their defaults. */
  readonly corrupt: boolean
}

/** Reads the text of an entry at `now`; `undefined` if it is of a newer version. */
export const read = (
  text: string,
  generation: number,
  shift: number,
  now: number,
  longest: Longest
): Read | undefined => {
  if (text === "") return { entry: empty(generation), corrupt: false }
  const json = new Fields(parse(text))
  if (json.newer) return undefined
  const local = (at: number) => at === 0 || at === Circuit.never ? at : at + shift
  const state = json.oneOf("state", Circuit.states)
  const time = (name: typeof times[number]) => local(json.number(name))
  const number = (name: typeof numbers[number]) => json.number(name)
  const openedAt = time("openedAt")
  const openUntil = time("openUntil")
  // A gate or a ramp that has ended is 0, as the machine has it.
  const later = (until: number) => until > now ? until : 0
  const probes = json.list("probes", probe)
  const streak = json.list("streak", run(shift))
  const [reason, actor] = json.value("words", isWords, [null, null])
  const learnt = json.value("learnt", isLearnt, null)
  const circuit: Circuit.Circuit = {
    state,
    reason: reasonOf(state, json.value("reason", isText, "")),
    generation,
    failures: length(streak),
    lastFailureKind: json.oneOf("kind", ["", ...kinds]),
    openedAt,
    openMillis: number("openMillis"),
    // A clock that was set back lengthens nothing beyond what was meant.
    openUntil: openUntil === Circuit.never || openUntil === 0
      ? openUntil
      : Math.min(openUntil, now + openUntil - openedAt + toleranceMillis),
    openings: number("openings"),
    closedAt: time("closedAt"),
    outage: number("outage"),
    outageAt: time("outageAt"),
    probes: probes.map(([id, leaseUntil]) => ({ id, leaseUntil: local(leaseUntil) })),
    issued: number("issued"),
    successes: number("successes"),
    rampUntil: later(time("rampUntil")),
    rampCredit: 0,
    gateUntil: later(Math.min(time("gateUntil"), now + longest.gateMillis)),
    hintUntil: time("hintUntil")
  }
  const entry: Entry = {
    circuit: consistent(circuit),
    owners: new Map(probes.map(([id, , owner]) => [id, owner])),
    words: { reason: reason ?? undefined, actor: actor ?? undefined },
    held: json.value("held", isBoolean, false),
    latencyTripped: json.value("slow", isBoolean, false),
    streak,
    learnt: learnt === null ? nothing : {
      rate: learnt[0],
      evidence: learnt[1],
      recordedAt: learnt[2],
      zone: learnt[3],
      recovery: learnt[4] ?? undefined
    },
    failed: json.list("failed", isFailed).slice(-16).map(([request, source, firstAt, lastAt, counted]) => ({
      request,
      source,
      firstAt: local(firstAt),
      lastAt: local(lastAt),
      counted
    }))
  }
  return { entry, corrupt: json.corrupt }
}

// A record that nobody wrote as it is may be open without an end that comes, or hold what its state does not have.
const consistent = (circuit: Circuit.Circuit): Circuit.Circuit => {
  switch (circuit.state) {
    case "closed":
    case "disabled":
      return { ...circuit, openUntil: 0, probes: [], outage: 0, outageAt: 0 }
    case "half_open":
      return { ...circuit, openUntil: 0 }
    case "open":
    case "forced_open":
      return { ...circuit, probes: [] }
  }
}

const reasonOf = (state: Circuit.State, reason: string): Circuit.Reason => {
  const reasons = Circuit.reasons.filter((reason) => Circuit.edges[reason].to === state)
  return reasons.find((known) => known === reason) ?? reasons[0]!
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The fields of a text that anybody may have written. Each that is not as it should be takes its default. */
class Fields {
  corrupt = false
  private readonly json: { readonly [name: string]: unknown }

  constructor(json: unknown) {
    this.corrupt = !isObject(json)
    this.json = isObject(json) ? json : {}
  }

  get newer(): boolean {
    const { v } = this.json
    return isWhole(v) && v > version
  }

  value<A>(name: string, is: (value: unknown) => value is A, otherwise: A): A {
    const value = this.json[name]
    if (is(value)) return value
    this.corrupt ||= value !== otherwise
    return otherwise
  }

  number(name: string): number {
    return this.value(name, isWhole, 0)
  }

  oneOf<A extends string>(name: string, those: ReadonlyArray<A>): A {
    return this.value(name, (value): value is A => those.some((one) => one === value), those[0]!)
  }

  list<A>(name: string, is: ((value: unknown) => value is A) | ((value: unknown) => A | undefined)): ReadonlyArray<A> {
    const items = this.value(name, Array.isArray, [])
    const read = items.map((item): A | undefined => {
      const found = is(item)
      return found === true ? item as A : found === false ? undefined : found
    })
    const known = read.filter((item) => item !== undefined)
    this.corrupt ||= known.length < items.length
    return known
  }
}

type Probe = readonly [id: number, leaseUntil: number, owner: string]
type Failed = readonly [request: number, source: number, firstAt: number, lastAt: number, counted: boolean]
type Words = readonly [reason: string | null, actor: string | null]
type Taught = readonly [number, number, number, Learnt["zone"], number | null]

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isText = (value: unknown): value is string => typeof value === "string"
const isBoolean = (value: unknown): value is boolean => typeof value === "boolean"
const isTextOrNull = (value: unknown) => value === null || isText(value)
const probe = (value: unknown): value is Probe =>
  Array.isArray(value) && isWhole(value[0]) && isWhole(value[1]) && isText(value[2])
const run = (shift: number) => (value: unknown): Run | undefined =>
  Array.isArray(value) && isWhole(value[0]) && isText(value[1]) && isWhole(value[2]) && value[2] > 0
    ? { at: value[0] + shift, by: value[1], failures: value[2] }
    : undefined
const isFailed = (value: unknown): value is Failed =>
  Array.isArray(value) && value.slice(0, 4).every(isWhole) && value.length === 5 && isBoolean(value[4])
const isWords = (value: unknown): value is Words =>
  Array.isArray(value) && value.length === 2 && value.every(isTextOrNull)
const isLearnt = (value: unknown): value is Taught | null =>
  value === null || (Array.isArray(value) && typeof value[0] === "number" && value[0] >= 0 && value[0] <= 1_000_000 &&
    isWhole(value[1]) && isWhole(value[2]) && ["middle", "tight", "loose"].includes(value[3]) &&
    (value[4] === null || isWhole(value[4])))
