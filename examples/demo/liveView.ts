// A terminal: the whole story in one picture, drawn again ten times a second.
import { Duration, Effect, Schedule } from "effect"
import { type CircuitState, FailoverRouter } from "effect-resilience"
import { type Colour, paint } from "./paint.ts"
import { Story } from "./story.ts"
import { type Absence, failures, type Line, type Phase } from "./tally.ts"

type Look = "closed" | "throttled" | "half-open" | "open"
type Style = Look | "home" | "away"

// In order of what to show of a stretch of time that saw several: a probe is short.
const looks: ReadonlyArray<Look> = ["closed", "throttled", "open", "half-open"]
const styles: Record<Style, readonly [block: string, colour: Colour]> = {
  closed: ["▂", "green"],
  throttled: ["▄", "blue"],
  open: ["█", "red"],
  "half-open": ["▆", "yellow"],
  home: ["▁", "green"],
  away: ["▔", "yellow"]
}

/** Draws until the scope ends, once more then, and leaves the terminal as it was. */
export const liveView = Effect.gen(function*() {
  const story = yield* Story
  const router = yield* FailoverRouter.FailoverRouter
  const { phases, regions: [primary, standby], title } = story.script
  const duration = phases.reduce((sum, { seconds }) => sum + seconds, 0)
  const timelines = new Map(story.tallies.map(({ region }) => [region, new Map<number, Look>()]))
  const width = Math.max(...[primary, standby, "unrouted"].map(({ length }) => length)) + 2
  const stateWidth = Math.max(...[...looks, `by ${primary}`, `by ${standby}`].map(({ length }) => length))
  let height = 0

  const frame = Effect.gen(function*() {
    const seconds = yield* story.seconds
    const shown = secondsShown(Math.max(duration, seconds), seconds, row("", "".padEnd(stateWidth), "", []).length)
    const [route] = yield* router.snapshot
    const circuits = route!.targets.map(({ circuit, target }, i) => {
      const tally = story.tallies[i]!
      const timeline = timelines.get(tally.region)!
      const look = lookOf(circuit)
      remember(timeline, seconds, look)
      for (const probedAt of tally.probedAt) remember(timeline, probedAt, "half-open")
      const counts = [tally.answered, failures(tally), tally.skipped]
      return row(target.name, paint(styles[look][1], look.padEnd(stateWidth)), againIn(circuit), counts) +
        drawTimeline(timeline, shown)
    })
    const { callers, unrouted } = story
    const calls = ({ answeredMillis, failedMillis }: typeof callers) => [answeredMillis.length, failedMillis.length]
    const lastLines = Math.max(1, Math.min(8, (process.stdout.rows || 24) - 13))
    const lines = story.lines.slice(-lastLines)
    return [
      `${paint("bold", "effect-resilience")}: ${title}, ${seconds.toFixed(1)} s`,
      "",
      ...progress(phases, story.begun, seconds),
      "",
      paint("dim", row("", "state".padEnd(stateWidth), "again in", ["answered", "failed", "not sent"])),
      ...circuits,
      row(route!.route, `by ${route!.active.name}`.padEnd(stateWidth), "", calls(callers)) +
      drawRoute(story.absences, seconds, shown),
      ...(unrouted.attempts === 0 ? [] : [row("unrouted", "".padEnd(stateWidth), "", calls(unrouted))]),
      "".padEnd(width) + legend([
        ...looks.map((look) => [look, look] as const),
        ["home", `${primary} serves`],
        ["away", `${standby} serves`]
      ]),
      "",
      ...Array.from({ length: lastLines }, (_, i) => eventRow(lines[i], width))
    ]
  })

  const row = (name: string, state: string, againIn: string, counts: ReadonlyArray<number | string>) =>
    [
      name.padEnd(width) + state,
      againIn.padStart(8),
      ...["answered", "failed", "not sent"].map((column, i) => `${counts[i] ?? ""}`.padStart(column.length)),
      ""
    ].join("  ")

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

// All of them, or the last ones for which there is room beside the numbers.
const secondsShown = (duration: number, seconds: number, taken: number) => {
  const room = Math.max(1, (process.stdout.columns || 80) - taken)
  const from = Math.max(0, Math.floor(seconds) + 1 - room)
  return Array.from({ length: Math.min(room, Math.ceil(duration) - from) }, (_, i) => from + i)
}

const drawTimeline = (timeline: ReadonlyMap<number, Look>, shown: ReadonlyArray<number>) =>
  shown.map((second) => {
    const look = timeline.get(second)
    return look === undefined ? paint("dim", "·") : block(look)
  }).join("")

const drawRoute = (absences: ReadonlyArray<Absence>, seconds: number, shown: ReadonlyArray<number>) =>
  shown.map((second) => {
    if (second > seconds) return paint("dim", "·")
    const isAway = absences.some(({ beganAt, endedAt = seconds }) => beganAt < second + 1 && endedAt > second)
    return block(isAway ? "away" : "home")
  }).join("")

const block = (style: Style) => paint(styles[style][1], styles[style][0])

const legend = (names: ReadonlyArray<readonly [style: Style, name: string]>) =>
  names.map(([style, name]) => `${block(style)} ${paint("dim", name)}`).join("  ")

const eventRow = (line: Line | undefined, width: number) => {
  if (line === undefined) return ""
  const text = line.about === undefined ? paint("bold", line.text) : line.about.padEnd(width) + line.text
  return `${line.seconds.toFixed(1).padStart(6)} s  ${text}`
}
