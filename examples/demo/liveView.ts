// A terminal: the whole story in one picture, drawn again ten times a second.
import { Duration, Effect, Schedule } from "effect"
import { CircuitBreaker, type CircuitState } from "effect-resilience"
import { type Colour, paint } from "./paint.ts"
import { Story } from "./story.ts"
import { failures, type Line, type Phase, type Tally } from "./tally.ts"

type Look = "closed" | "throttled" | "half-open" | "open"

// In order of what to show of a stretch of time that saw several: a probe is short.
const looks: ReadonlyArray<Look> = ["closed", "throttled", "open", "half-open"]
const styles: Record<Look, readonly [block: string, colour: Colour]> = {
  closed: ["▂", "green"],
  throttled: ["▄", "blue"],
  open: ["█", "red"],
  "half-open": ["▆", "yellow"]
}

/** Draws until the scope ends, once more then, and leaves the terminal as it was. */
export const liveView = Effect.gen(function*() {
  const story = yield* Story
  const breaker = yield* CircuitBreaker.CircuitBreaker
  const { phases, title } = story.script
  const duration = phases.reduce((sum, { seconds }) => sum + seconds, 0)
  const timelines = new Map(story.tallies.map(({ key }) => [key, new Map<number, Look>()]))
  const width = Math.max(...story.tallies.map(({ key }) => key.length)) + 2
  let height = 0

  const frame = Effect.gen(function*() {
    const seconds = yield* story.seconds
    const states = yield* Effect.forEach(story.tallies, ({ key }) => breaker.state(key))
    const rows = story.tallies.map((tally, i) => {
      const timeline = timelines.get(tally.key)!
      const state = states[i]!
      remember(timeline, seconds, lookOf(state))
      for (const probedAt of tally.probedAt) remember(timeline, probedAt, "half-open")
      return tally.key.padEnd(width) + circuitRow(tally, state, drawTimeline(timeline, Math.max(duration, seconds)))
    })
    const lastLines = Math.max(1, Math.min(8, (process.stdout.rows || 24) - 11))
    const lines = story.lines.slice(-lastLines)
    return [
      `${paint("bold", "effect-resilience")}: ${title}, ${seconds.toFixed(1)} s`,
      "",
      ...progress(phases, story.begun, seconds),
      "",
      paint("dim", `${"".padEnd(width)}state      again in  answered  failed  skipped`),
      ...rows,
      `${"".padEnd(width)}${looks.map((look) => `${block(look)} ${paint("dim", look)}`).join("   ")}`,
      "",
      ...Array.from({ length: lastLines }, (_, i) => eventRow(lines[i], width))
    ]
  })

  const draw = Effect.map(frame, (rows) => {
    const up = height === 0 ? "" : `\x1b[${height}A`
    height = rows.length
    process.stdout.write(`${up}${rows.map((row) => `${row}\x1b[K\n`).join("")}`)
  })

  yield* Effect.acquireRelease(
    Effect.sync(() => process.stdout.write(hideCursor + noWrap)),
    () => Effect.andThen(draw, Effect.sync(() => process.stdout.write(showCursor + wrap)))
  )
  yield* Effect.forkScoped(Effect.repeat(draw, Schedule.spaced("100 millis")))
})

const hideCursor = "\x1b[?25l"
const showCursor = "\x1b[?25h"
const noWrap = "\x1b[?7l"
const wrap = "\x1b[?7h"

// One segment for each phase, as wide as it is long, that fills from its beginning to that of the next.
const progress = (phases: ReadonlyArray<Phase>, begun: ReadonlyArray<number>, seconds: number) => {
  const duration = phases.reduce((sum, phase) => sum + phase.seconds, 0)
  const columns = Math.min(process.stdout.columns || 80, 110)
  const segments = phases.map((phase, i) => {
    const width = Math.floor(phase.seconds * (columns - phases.length) / duration)
    const from = begun[i]
    const running = from !== undefined && begun[i + 1] === undefined
    const share = from === undefined ? 0 : running ? Math.min(1, (seconds - from) / phase.seconds) : 1
    const done = Math.round(width * share)
    return {
      label: paint(running ? "bold" : "dim", phase.name.slice(0, width).padEnd(width)),
      bar: "━".repeat(done) + paint("dim", "─".repeat(width - done))
    }
  })
  return [segments.map(({ label }) => label).join(" "), segments.map(({ bar }) => bar).join(" ")]
}

const circuitRow = (tally: Tally, state: CircuitState.CircuitState, timeline: string) => {
  const look = lookOf(state)
  return [
    paint(styles[look][1], look.padEnd(9)),
    againIn(state).padStart(8),
    String(tally.answered).padStart(8),
    String(failures(tally)).padStart(6),
    String(tally.skipped).padStart(7),
    timeline
  ].join("  ")
}

const lookOf = (state: CircuitState.CircuitState): Look => {
  switch (state._tag) {
    case "Open":
    case "ForcedOpen":
      return "open"
    case "HalfOpen":
      return "half-open"
    case "Closed":
      return state.throttledFor === undefined ? "closed" : "throttled"
    case "Disabled":
      return "closed"
  }
}

const againIn = (state: CircuitState.CircuitState): string => {
  const wait = "retryAfter" in state ? state.retryAfter : "throttledFor" in state ? state.throttledFor : undefined
  return wait === undefined ? "" : `${Duration.toSeconds(wait).toFixed(1)} s`
}

// A block stands for a second.
const remember = (timeline: Map<number, Look>, seconds: number, look: Look) => {
  const second = Math.floor(seconds)
  const known = timeline.get(second) ?? "closed"
  timeline.set(second, looks.indexOf(look) > looks.indexOf(known) ? look : known)
}

const drawTimeline = (timeline: ReadonlyMap<number, Look>, duration: number) =>
  Array.from({ length: duration }, (_, second) => {
    const look = timeline.get(second)
    return look === undefined ? paint("dim", "·") : block(look)
  }).join("")

const block = (look: Look) => paint(styles[look][1], styles[look][0])

const eventRow = (line: Line | undefined, width: number) => {
  if (line === undefined) return ""
  const text = line.key === undefined ? paint("bold", line.text) : line.key.padEnd(width) + line.text
  return `${line.seconds.toFixed(1).padStart(6)} s  ${text}`
}
