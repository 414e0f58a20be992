/** What circuits say of the calls that went through them. */
import { Duration, Effect, Layer } from "effect"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitObserver,
  CircuitStore,
  LlmOutcome,
  type Outcome,
  TripPolicy
} from "effect-resilience"
import type { Note } from "./asking.ts"
import type { Case, Verdict } from "./case.ts"
import { type Provider, serve } from "./provider.ts"

/** What a case came to; `row` is the row of the table that said so. */
export interface Judged {
  readonly outcome: string
  readonly kind?: string | undefined
  readonly retryAfterMs?: number | undefined
  readonly row?: string | undefined
}

interface Seen {
  readonly events: Array<CircuitEvent.CircuitEvent>
  result?: string
  kind?: string | undefined
  outcome?: Outcome.Outcome
  row?: string
}

const words: Readonly<Record<string, string>> = { success: "Success", failure: "Failure", ignored: "Ignored" }

const judgedOf = ({ events, kind, outcome, result = "nothing", row }: Seen): Judged => {
  const opened = events.find((event) => event.event === "circuit.opened")
  const throttled = events.find((event) => event.event === "circuit.throttled")
  const tag = opened !== undefined ? "OpenNow" : throttled !== undefined ? "Throttled" : words[result] ?? result
  // Events do not tell the wait of a failure.
  const wait = outcome !== undefined && "retryAfter" in outcome && outcome._tag === tag ? outcome.retryAfter : undefined
  return {
    outcome: tag,
    kind: tag === "Success" ? undefined : throttled?.kind ?? kind ?? opened?.failure_kind,
    retryAfterMs: throttled?.retry_after_ms ?? (wait === undefined ? undefined : Duration.toMillis(wait)),
    row
  }
}

/** Asks for every case in one way, each through a circuit of its own, and says what these made of it. */
export const judge = (
  cases: ReadonlyArray<Case>,
  ask: (url: string, entry: Case, note: Note) => Effect.Effect<unknown, never, CircuitBreaker.CircuitBreaker>
): Effect.Effect<ReadonlyMap<string, Judged>> => {
  const seen = new Map<string, Seen>(cases.map(({ id }) => [id, { events: [] }]))
  const observer = CircuitObserver.layer({
    name: "corpus",
    onEvent: (event) => {
      if ("key" in event) seen.get(event.key)!.events.push(event)
    },
    onCircuit: (key) => ({
      onCall: (result, _, kind) => {
        Object.assign(seen.get(key)!, { result, kind })
      }
    })
  })
  const Breaker = CircuitBreaker.layer({
    classify: LlmOutcome.classify,
    tripPolicy: TripPolicy.consecutive(1000),
    openDuration: "1 second",
    maxOpenDuration: "365 days",
    gateJitter: 0
  })
  const noteOf = (id: string): Note => (outcome, row) => {
    const of = seen.get(id)!
    if (of.outcome === undefined || of.outcome._tag === "Success") Object.assign(of, { outcome, row })
  }
  return Effect.gen(function*() {
    const { url }: Provider = yield* serve(cases)
    yield* Effect.forEach(cases, (entry) => ask(url, entry, noteOf(entry.id)), { concurrency: 8, discard: true })
    return new Map(Array.from(seen, ([id, of]) => [id, judgedOf(of)]))
  }).pipe(
    Effect.scoped,
    Effect.provide(observer.pipe(Layer.provideMerge(Breaker), Layer.provide(CircuitStore.layerMemory)))
  )
}

/** Whether a verdict is one that is wanted; a wait may be off by two seconds, or by 2 %. */
export const fits = (got: Judged) => (wanted: Verdict): boolean =>
  got.outcome === wanted.outcome &&
  (wanted.kind === undefined || got.kind === wanted.kind) &&
  (wanted.retryAfterMs === undefined ||
    (got.retryAfterMs !== undefined &&
      Math.abs(got.retryAfterMs - wanted.retryAfterMs) <= Math.max(2000, wanted.retryAfterMs * 0.02)))

/** A verdict in words. */
export const shown = ({ kind, outcome, retryAfterMs }: Judged | Verdict): string =>
  [outcome, kind, retryAfterMs].filter((word) => word !== undefined).join(" ")
