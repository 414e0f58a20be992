// What has happened so far: written by the circuits, the route and the callers, read by the views and the summary.
import { Clock, Context, Effect, Layer } from "effect"
import { type CircuitEvent, CircuitObserver } from "effect-resilience"
import type { Script } from "./script.ts"
import { circuitSentence, routeSentence } from "./sentence.ts"
import {
  type Absence,
  type Calls,
  count,
  type Line,
  make as makeTally,
  makeCalls,
  type Phase,
  type Tally
} from "./tally.ts"

export class Story extends Context.Service<Story, {
  readonly script: Script
  /** Of the regions, the primary first. */
  readonly tallies: readonly [primary: Tally, standby: Tally]
  readonly absences: ReadonlyArray<Absence>
  readonly callers: Calls
  /** The calls of the caller without a route. */
  readonly unrouted: Calls
  readonly lines: ReadonlyArray<Line>
  /** When each phase began, and last when the story ended: seconds since the start. */
  readonly begun: ReadonlyArray<number>
  /** Since the start. */
  readonly seconds: Effect.Effect<number>
  readonly begin: (phase: Phase) => Effect.Effect<void>
  readonly end: Effect.Effect<void>
  readonly onLine: (listener: (line: Line) => void) => Effect.Effect<void>
  readonly count: (calls: Calls) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly observer: CircuitObserver.CircuitObserver
}>()("effect-resilience/examples/demo/Story") {
  static readonly layer = (script: Script) => Layer.effect(Story, make(script))

  /** Attached to a breaker, the story hears what its circuits and the routes over them do. */
  static readonly observer = CircuitObserver.layer(Story.use((story) => Effect.succeed(story.observer)))
}

const make = Effect.fnUntraced(function*(script: Script) {
  const startedAt = yield* Clock.currentTimeMillis
  const secondsAt = (millis: number) => Math.max(0, (millis - startedAt) / 1000)
  const seconds = Effect.map(Clock.currentTimeMillis, secondsAt)
  const [primary, standby] = script.regions
  const tallies = [makeTally(primary), makeTally(standby)] as const
  // A circuit is called after the route and the target.
  const tallyOf = (key: string) => tallies.find(({ region }) => key.endsWith(`/${region}`))!
  const absences: Array<Absence> = []
  const lines: Array<Line> = []
  const begun: Array<number> = []
  const listeners: Array<(line: Line) => void> = []

  const absence = () => absences.find(({ endedAt }) => endedAt === undefined)
  const tell = (seconds: number, about: string | undefined, text: string | undefined) => {
    if (text === undefined) return
    const line = { seconds, active: absence() === undefined ? primary : standby, about, text }
    lines.push(line)
    for (const listener of listeners) listener(line)
  }

  return Story.of({
    script,
    tallies,
    absences,
    callers: makeCalls(),
    unrouted: makeCalls(),
    lines,
    begun,
    seconds,
    begin: ({ about, name }) =>
      Effect.map(seconds, (now) => {
        begun.push(now)
        tell(now, undefined, `${name}: ${about}`)
      }),
    end: Effect.map(seconds, (now) => {
      begun.push(now)
    }),
    onLine: (listener) =>
      Effect.sync(() => {
        listeners.push(listener)
      }),
    count: (calls) => (self) =>
      Effect.suspend(() => {
        const start = performance.now()
        const ended = (millis: Array<number>) => Effect.sync(() => millis.push(performance.now() - start))
        return self.pipe(
          Effect.tap(() => ended(calls.answeredMillis)),
          Effect.tapError(() => ended(calls.failedMillis))
        )
      }),
    observer: {
      name: "demo",
      onEvent: (event) => {
        const now = secondsAt(event.at)
        if ("key" in event) {
          const tally = tallyOf(event.key)
          tell(now, tally.region, circuitSentence(event, tally))
          add(tally, event, now)
        } else if ("route" in event) {
          const ending = absence()
          if (event.event === "failover.switched") {
            absences.push({ cause: event.cause, beganAt: now, endedAt: undefined, answered: 0 })
          } else if (event.event === "failover.recovered" && ending !== undefined) ending.endedAt = now
          tell(now, event.route, routeSentence(event, ending))
        }
      },
      onCircuit: (key) => {
        const tally = tallyOf(key)
        return {
          onCall: (result, _, kind) => {
            const away = absence()
            if (result === "success") {
              tally.answered++
              if (away !== undefined && tally.region === standby) away.answered++
            } else if (result.startsWith("rejected")) tally.skipped++
            else if (result === "ignored" && kind === "rate_limited") tally.throttled++
            else if (result !== "interrupted") count(tally.failed, kind ?? "unknown")
          }
        }
      }
    }
  })
})

const add = (tally: Tally, event: CircuitEvent.CircuitEvent, seconds: number) => {
  switch (event.event) {
    case "circuit.opened":
      tally.openings++
      break
    case "circuit.half_open":
      tally.probedAt.push(seconds)
      break
    case "circuit.probe":
      if (event.result === "failure") tally.probesFailed++
      break
    case "circuit.closed":
      tally.outages.push(event.open_ms / 1000)
      break
    case "circuit.throttled":
      if (event.at >= tally.throttledUntil) tally.throttles++
      tally.throttledUntil = event.at + event.retry_after_ms
      break
    default:
  }
}
