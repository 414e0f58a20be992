// No terminal: one line for each thing worth telling, as it happens.
import { Story } from "./story.ts"

export const plainView = Story.use((story) =>
  story.onLine(({ key, seconds, text }) => {
    console.log(`${seconds.toFixed(2).padStart(6)} s  ${key ?? "──"}  ${text}`)
  })
)
