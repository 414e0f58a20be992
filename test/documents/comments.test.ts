// Holds src, examples, scripts and the architecture to words that have one meaning, comments to a width that can be read,
// and files to a length.
import { assert, describe, it } from "@effect/vitest"
import { parseSync } from "rolldown/utils"
import { list, read } from "./documents.ts"

/** Words that are not used in comments, names and texts, because a reader has to guess what they mean. */
const retired: Readonly<Record<string, string>> = {
  alone: "it is `degraded` if a process decides by itself, and `only` or `by itself` otherwise",
  sound: "say what is well: a record is valid, a store is reachable, a circuit is healthy",
  deaf: "say what fails: the process does not receive the store's messages",
  told:
    "say what is done: an observer is called, an event is published, a process has reported, types are distinguished",
  fresh: "say what is new about it: a circuit without a past, a view that is up to date",
  standing: "say what it is: the state, the availability or the rank",
  whoever: "name the actor: the caller, the process, the operator",
  somebody: "name the actor: the caller, the process, the operator"
}

const widest = 120

/** The words of a text, also those within names such as `isUpToDate`, but for names of Effect. */
const wordsOf = (text: string): ReadonlyArray<string> =>
  text.replaceAll("Layer.fresh", "").replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().match(/[a-z]+/g) ?? []

const retiredIn = (line: string) =>
  wordsOf(line).filter((word) => Object.hasOwn(retired, word)).map((word) => `"${word}": ${retired[word]}`)

const wideComments = (path: string, text: string): ReadonlyArray<string> => {
  if (!path.endsWith(".ts")) return []
  const { comments } = parseSync(path, text)
  let begin = 0
  return text.split("\n").flatMap((line, index) => {
    const [from, to] = [begin, begin + line.length]
    begin = to + 1
    const isWide = line.length > widest && comments.some(({ end, start }) => start < to && end > from)
    return isWide ? [`${path}:${index + 1}: a comment of ${line.length} columns`] : []
  })
}

const wideLines = (path: string): ReadonlyArray<string> =>
  read(path).split("\n").flatMap((line, index) =>
    line.length > widest ? [`${path}:${index + 1}: ${line.length} columns`] : []
  )

const mostLines = 250

/** How many lines have code. */
const linesOfCode = (path: string): number => {
  const { comments } = parseSync(path, read(path))
  const code = comments.toReversed().reduce(
    (text, { end, start }) => text.slice(0, start) + text.slice(end),
    read(path)
  )
  return code.split("\n").filter((line) => line.trim() !== "").length
}

const complaintsAbout = (path: string): ReadonlyArray<string> => {
  const text = read(path)
  const words = text.split("\n").flatMap((line, index) => retiredIn(line).map((why) => `${path}:${index + 1}: ${why}`))
  return [...words, ...wideComments(path, text)]
}

describe("comments and names", () => {
  const programs = ["src", "examples", "scripts"].flatMap(list).filter((path) => path.endsWith(".ts"))
  const files = [...programs, "docs/architecture.md"]

  it("use no retired word, and no line wider than can be read", () => {
    assert.deepStrictEqual(files.flatMap(complaintsAbout), [])
  })

  it("leave no line of the changelog wider than can be read", () => {
    assert.deepStrictEqual(wideLines("CHANGELOG.md"), [])
  })
})

describe("files of src", () => {
  // Lua is written beside the machine in TypeScript, line by line, and may be wider.
  const written = list("src").filter((path) => path.endsWith(".ts") && !/\/lua\w+\.ts$/.test(path))

  it("have no line wider than can be read", () => {
    assert.deepStrictEqual(written.flatMap(wideLines), [])
  })

  it(`have no more than ${mostLines} lines of code`, () => {
    const counted = list("src").filter((path) => path.endsWith(".ts")).map((path) => [path, linesOfCode(path)] as const)
    assert.deepStrictEqual(counted.filter(([, lines]) => lines > mostLines), [])
  })
})
