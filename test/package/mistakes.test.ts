// What a user reads who makes a typical mistake: each file of `mistakes` makes one, and its first lines say with which
// errors it does not compile, in words that are in the message.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import * as Consumer from "./Consumer.ts"
import { pack, type Tarball } from "./Tarball.ts"

const folder = new URL("mistakes/", import.meta.url)
const files = readdirSync(folder)
const compilers = Object.keys(Consumer.compilers) as ReadonlyArray<Consumer.Compiler>
const minutes = 60_000

// After so many lines nobody reads on.
const readable = 10

/** The errors that a file announces: each with the codes that compilers give it, and the words that it has to have. */
const announced = (file: string) =>
  Array.from(
    readFileSync(new URL(file, folder), "utf8").matchAll(/^\/\/ (TS[TS\d or]+): (.+)$/gm),
    ([, codes, words]) => ({
      codes: codes!.split(" or "),
      words: words!
    })
  )

/** The errors of a compiler, by file. */
const errorsOf = (stdout: string) =>
  stdout.split(/^(?=\w+\.ts\()/m).map((text) => {
    const [, file = "", code = ""] = /^(\w+\.ts)\(\d+,\d+\): error (TS\d+): /.exec(text) ?? []
    return { file, code, lines: text.trim().split("\n") }
  })

let tarball: Tarball
let consumer: Consumer.Consumer
const errors = new Map<Consumer.Compiler, ReturnType<typeof errorsOf>>()
beforeAll(async () => {
  tarball = pack()
  consumer = Consumer.make(tarball, "test/package/mistakes")
  consumer.install("effect", "ioredis", "@types/node")
  for (const compiler of compilers) {
    errors.set(compiler, errorsOf((await consumer.typeCheck(compiler, { skipLibCheck: true })).stdout))
  }
}, 6 * minutes)
afterAll(() => {
  consumer?.remove()
  tarball?.remove()
})

describe.each(compilers)("with %s a mistake does not compile, and the message says what is wrong:", (compiler) => {
  it.each(files)("%s", (file) => {
    const found = errors.get(compiler)!.filter((error) => error.file === file)
    const expected = announced(file)
    assert.isNotEmpty(expected)
    assert.lengthOf(found, expected.length, found.flatMap(({ lines }) => lines).join("\n"))
    for (const [index, { code, lines }] of found.entries()) {
      const { codes, words } = expected[index]!
      assert.include(codes, code)
      assert.include(lines.slice(0, readable).join("\n"), words)
    }
  })
})
