// What has happened so far: told by the circuits and the callers, read by the views and the summary.
import { Clock, Context, Effect, Layer } from "effect"
import { CircuitError, type CircuitEvent, CircuitObserver, LlmOutcome } from "effect-resilience"
import type { Script } from "./script.ts"
import { sentence } from "./sentence.ts"
import { count, type Line, make as makeTally, type Phase, type Tally } from "./tally.ts"

export class Story extends Context.Service<Story, {
  readonly script: Script
  readonly tallies: ReadonlyArray<Tally>
  readonly lines: ReadonlyArray<Line>
  /** When each phase began, and last when the story ended: seconds since the start. */
  readonly begun: ReadonlyArray<number>
  /** How long answers took in milliseconds, rejections in microseconds. */
  readonly answerMillis: ReadonlyArray<number>
  readonly rejectionMicros: ReadonlyArray<number>
  /** Since the start. */
  readonly seconds: Effect.Effect<number>
  readonly begin: (phase: Phase) => Effect.Effect<void>
  readonly end: Effect.Effect<void>
  readonly onLine: (listener: (line: Line) => void) => Effect.Effect<void>
  readonly timeRejection: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly countCall: (key: string) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly observer: CircuitObserver.CircuitObserver
}>()("effect-resilience/examples/demo/Story") {
  static readonly layer = (script: Script) => Layer.effect(Story, make(script))

  /** Provide it to a breaker, and the story hears what its circuits do. */
  static readonly observer = CircuitObserver.layer(Story.use((story) => Effect.succeed(story.observer)))
}

const make = Effect.fnUntraced(function*(script: Script) {
  const startedAt = yield* Clock.currentTimeMillis
  const secondsAt = (millis: number) => Math.max(0, (millis - startedAt) / 1000)
  const seconds = Effect.map(Clock.currentTimeMillis, secondsAt)
  const tallies = script.keys.map(makeTally)
  const tallyOf = (key: string) => tallies.find((tally) => tally.key === key)!
  const lines: Array<Line> = []
  const begun: Array<number> = []
  const answerMillis: Array<number> = []
  const rejectionMicros: Array<number> = []
  const listeners: Array<(line: Line) => void> = []

  const tell = (line: Line) => {
    lines.push(line)
    for (const listener of listeners) listener(line)
  }

  return Story.of({
    script,
    tallies,
    lines,
    begun,
    answerMillis,
    rejectionMicros,
    seconds,
    begin: ({ about, name }) =>
      Effect.map(seconds, (now) => {
        begun.push(now)
        tell({ seconds: now, key: undefined, text: `${name}: ${about}` })
      }),
    end: Effect.map(seconds, (now) => {
      begun.push(now)
    }),
    onLine: (listener) =>
      Effect.sync(() => {
        listeners.push(listener)
      }),
    timeRejection: (self) =>
      Effect.suspend(() => {
        const start = performance.now()
        return Effect.tapError(self, (error) =>
          Effect.sync(() => {
            if (isRejection(error)) rejectionMicros.push((performance.now() - start) * 1000)
          }))
      }),
    countCall: (key) => {
      const tally = tallyOf(key)
      return (self) =>
        self.pipe(
          Effect.tap(() => Effect.sync(() => tally.answered++)),
          Effect.tapError((error) =>
            Effect.sync(() => {
              if (isRejection(error)) tally.skipped++
              else count(tally.failed, kindOf(error))
            })
          )
        )
    },
    observer: {
      name: "demo",
      onEvent: (event) => {
        if (!("key" in event)) return
        const tally = tallyOf(event.key)
        const text = sentence(event, tally)
        if (text !== undefined) tell({ seconds: secondsAt(event.at), key: event.key, text })
        add(tally, event, secondsAt(event.at))
      },
      onCircuit: (key) => {
        const tally = tallyOf(key)
        return {
          onCall: (result, durationMillis) => {
            if (result.startsWith("rejected")) tally.saved++
            else tally.made++
            if (result === "success") answerMillis.push(durationMillis)
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
      tally.down = true
      if (event.from === "closed") tally.savedBeforeOutage = tally.saved
      break
    case "circuit.half_open":
      tally.probedAt.push(seconds)
      break
    case "circuit.probe":
      if (event.result === "success") tally.probesSucceeded++
      else if (event.result === "failure") tally.probesFailed++
      else tally.probesUndecided++
      break
    case "circuit.closed":
      tally.down = false
      tally.outages.push(event.open_ms / 1000)
      break
    case "circuit.throttled":
      if (event.at >= tally.throttledUntil) tally.throttles++
      tally.throttledUntil = event.at + event.retry_after_ms
      break
    default:
  }
}

const isRejection = (error: unknown) => CircuitError.isCircuitBreakerError(error) && error.isRejection

const kindOf = (error: unknown): string => {
  const outcome = LlmOutcome.fromError(error)
  return outcome._tag === "Success" ? "unknown" : outcome.kind
}
