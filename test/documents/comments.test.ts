// Keeps sources, tests and documents to words that have one meaning, comments and lines to a width that can be read, and
// files to a length.
import { assert, describe, it } from "@effect/vitest"
import { parseSync } from "rolldown/utils"
import { documents, list, read, withoutFences } from "./documents.ts"

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
  somebody: "name the actor: the caller, the process, the operator",
  thing: "name it: the event, the value, the fault",
  things: "name them: the events, the values, the faults"
}

const widest = 120

/** The words of a text, also those within names such as `isUpToDate`, but for names of Effect. */
const wordsOf = (text: string): ReadonlyArray<string> =>
  text.replaceAll("Layer.fresh", "").replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().match(/[a-z]+/g) ?? []

const retiredIn = (line: string) =>
  wordsOf(line).filter((word) => Object.hasOwn(retired, word)).map((word) => `"${word}": ${retired[word]}`)

const wideComments = (path: string): ReadonlyArray<string> => {
  const text = read(path)
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

const complaintsAbout = (
  path: string
): ReadonlyArray<string> => [...retiredLines(path, read(path)), ...wideComments(path)]

const retiredLines = (path: string, text: string): ReadonlyArray<string> =>
  text.split("\n").flatMap((line, index) => retiredIn(line).map((why) => `${path}:${index + 1}: ${why}`))

/** What a program says to its readers: comments, and the titles of tests. Its names and data are not among it. */
const sentencesOf = (path: string): ReadonlyArray<Sentence> => {
  const { comments, program } = parseSync(path, read(path))
  return [...comments, ...titlesIn(program)].map(({ end, start }) => ({ start, text: read(path).slice(start, end) }))
}

interface Sentence {
  readonly start: number
  readonly text: string
}

interface Place {
  readonly start: number
  readonly end: number
}

/** The titles of `it("…", …)`, `it.effect("…", …)`, `describe.each(cases)("…", …)`. */
const titlesIn = (node: unknown, found: Array<Place> = []): ReadonlyArray<Place> => {
  if (typeof node !== "object" || node === null) return found
  const { arguments: given, callee } = node as { arguments?: ReadonlyArray<Place & { type: string }>; callee?: unknown }
  const title = given?.[0]
  if (title !== undefined && /^(?:Template)?Literal$/.test(title.type) && isRunner(callee)) found.push(title)
  for (const child of Object.values(node)) titlesIn(child, found)
  return found
}

const isRunner = (callee: unknown): boolean => {
  if (typeof callee !== "object" || callee === null) return false
  const { callee: inner, name, object } = callee as { callee?: unknown; name?: string; object?: unknown }
  return ["it", "test", "describe"].includes(name ?? "") || isRunner(object ?? inner)
}

const retiredSentences = (path: string): ReadonlyArray<string> =>
  sentencesOf(path).flatMap(({ start, text }) => {
    const line = read(path).slice(0, start).split("\n").length
    return retiredIn(text).map((why) => `${path}:${line}: ${why}`)
  })

const programsIn = (folders: ReadonlyArray<string>) => folders.flatMap(list).filter((path) => path.endsWith(".ts"))

describe("comments and names", () => {
  it("use no retired word, and no line wider than can be read", () => {
    assert.deepStrictEqual(programsIn(["src", "examples", "scripts"]).flatMap(complaintsAbout), [])
  })

  it("leave no line of the changelog wider than can be read", () => {
    assert.deepStrictEqual(wideLines("CHANGELOG.md"), [])
  })
})

describe("comments and titles", () => {
  // This file has the words.
  const tests = programsIn(["test", "dashboards"]).filter((path) => path !== "test/documents/comments.test.ts")

  it("of tests and dashboards use no retired word", () => {
    assert.deepStrictEqual(tests.flatMap(retiredSentences), [])
  })

  it("are found at the call of a test, and in comments", () => {
    const found = sentencesOf("test/documents/comments.test.ts").map(({ text }) => text)
    assert.includeMembers(found, [
      "\"are found at the call of a test, and in comments\"",
      "/** How many lines have code. */"
    ])
  })
})

describe("documents", () => {
  // What was decided is not written anew.
  const written = documents.filter((path) => !path.startsWith("docs/decisions/"))

  it("use no retired word", () => {
    const texts = [...written, "dashboards/alerts.yml"]
    assert.deepStrictEqual(texts.flatMap((path) => retiredLines(path, withoutFences(read(path)))), [])
  })
})

describe("files of src", () => {
  const written = list("src").filter((path) => path.endsWith(".ts"))

  it("have no line wider than can be read", () => {
    assert.deepStrictEqual(written.flatMap(wideLines), [])
  })

  it(`have no more than ${mostLines} lines of code`, () => {
    const counted = list("src").filter((path) => path.endsWith(".ts")).map((path) => [path, linesOfCode(path)] as const)
    assert.deepStrictEqual(counted.filter(([, lines]) => lines > mostLines), [])
  })
})
