// Runs every ```ts example of the doc comments in src, and holds the README's programs to the files in examples.
// In an example, `expr // => value` asserts that `expr` equals `value`.
import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"

const root = new URL("../../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")
const generated = new URL("test/.docs/", root)
rmSync(generated, { recursive: true, force: true })
mkdirSync(generated)

const fences = (source: string) =>
  Array.from(source.matchAll(/^ \* ```ts\n([\s\S]*?)^ \* ```$/gm), ([, body]) => body!.replace(/^ \* ?/gm, ""))

const runnable = (code: string) =>
  `import { assert } from "@effect/vitest"\n${code.replace(/^(.+?) \/\/ => (.+)$/gm, "assert.deepStrictEqual($1, $2)")}`

describe("doc comments", () => {
  const modules = readdirSync(new URL("src/", root), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
  for (const path of modules) {
    fences(read(`src/${path}`)).forEach((code, index) => {
      const file = new URL(`${path.replaceAll("/", ".").replace(/\.ts$/, "")}.${index + 1}.ts`, generated)
      writeFileSync(file, runnable(code))
      it(`${path}, example ${index + 1}`, () => import(/* @vite-ignore */ file.href))
    })
  }

  it("say something about every export", () => {
    const silent = modules
      .filter((path) => !/(?:^|\/)internal\//.test(path) && !path.endsWith("index.ts"))
      .flatMap((path) => {
        const source = read(`src/${path}`)
        return Array.from(source.matchAll(/^export (?:const|type|interface|class) (\w+)/gm))
          .filter(({ index }) => {
            const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(source.slice(0, index))?.[1] ?? ""
            return !comment.split("\n").some((line) => /^\s*\* [^@\s]/.test(line))
          })
          .map(([, name]) => `${path}: ${name}`)
      })
    assert.deepStrictEqual(silent, [])
  })

  it("hold examples at all", () => {
    assert.isAbove(readdirSync(generated).length, 4)
  })

  it("assert something in each of them", () => {
    for (const file of readdirSync(generated)) {
      assert.include(readFileSync(new URL(file, generated), "utf8"), "assert.deepStrictEqual(", file)
    }
  })
})

describe("README", () => {
  const programs = Array.from(
    read("README.md").matchAll(/^<!-- (examples\/\S+) -->\n```ts\n([\s\S]*?)^```$/gm),
    ([, path, code]) => ({ path: path!, code: code! })
  )

  it("shows programs", () => {
    assert.isAbove(programs.length, 2)
  })

  for (const { code, path } of programs) {
    it(`shows ${path} as it is`, () => {
      assert.strictEqual(code, read(path))
    })
  }
})
