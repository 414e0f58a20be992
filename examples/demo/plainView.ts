// No terminal: one line for each event worth a line, as it happens, and who serves from then on.
import { Effect } from "effect"
import { Story } from "./story.ts"

export const plainView = Story.use(({ onLine, script: { regions } }) => {
  const width = Math.max("serves".length, ...regions.map(({ length }) => length)) + 2
  const row = (time: string, active: string, about: string, text: string) =>
    console.log(`${time.padStart(8)}  ${active.padEnd(width)}${about.padEnd(width)}${text}`)
  row("time", "serves", "who", "what")
  return Effect.asVoid(
    onLine(({ about, active, seconds, text }) => row(`${seconds.toFixed(2)} s`, active, about ?? "──", text))
  )
})
