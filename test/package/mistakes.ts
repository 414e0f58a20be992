/**
 * What a user reads who makes a typical mistake: each file of `mistakes` makes one, and its first lines say with which
 * errors it does not compile, in words that are in the message.
 */
import { readdirSync, readFileSync } from "node:fs"

const folder = new URL("mistakes/", import.meta.url)

export const mistakes = readdirSync(folder)

/** After so many lines nobody reads on. */
export const readable = 10

/** The errors that a file announces: each with the codes that compilers give it, and the words that it has to have. */
export const announced = (file: string) =>
  Array.from(
    readFileSync(new URL(file, folder), "utf8").matchAll(/^\/\/ (TS[TS\d or]+): (.+)$/gm),
    ([, codes, words]) => ({ codes: codes!.split(" or "), words: words! })
  )

export interface CompileError {
  readonly path: string
  readonly code: string
  readonly lines: ReadonlyArray<string>
}

/** The errors of a compiler. What is none, such as that there is no program, has neither path nor code. */
export const errorsOf = (stdout: string): ReadonlyArray<CompileError> =>
  stdout.split(/^(?=\S+\(\d+,\d+\): error)/m).flatMap((text) => {
    if (text === "") return []
    const [, path = "", code = ""] = /^(\S+)\(\d+,\d+\): error (TS\d+): /.exec(text) ?? []
    return [{ path, code, lines: text.trim().split("\n") }]
  })
