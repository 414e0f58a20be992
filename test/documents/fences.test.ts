// Runs every ```ts example of the doc comments in src and of the guide, and holds the README's programs to the files in examples.
// In an example, `expr // => value` asserts that `expr` equals `value`. `npm run check` type-checks all of them.
import { assert, describe, it } from "@effect/vitest"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { type Fence, fencesOf } from "../../scripts/fences.ts"
import { documents, read, sources } from "./documents.ts"

const generated = new URL("../.docs/", import.meta.url)
rmSync(generated, { recursive: true, force: true })
mkdirSync(generated)

/** The example as a module, with its lines at the numbers that they have in its document. */
const runnable = ({ code, line }: Fence) =>
  `import { assert } from "@effect/vitest"${"\n".repeat(line - 1)}${
    code.replace(/^(.+?) \/\/ => (.+)$/gm, "assert.deepStrictEqual($1, $2)")
  }`

const runs = (example: Fence) => {
  const { code, document, line } = example
  it(`${document}:${line} runs, and has the values that it shows`, async () => {
    assert.include(code, " // => ")
    const file = new URL(`${document.replaceAll("/", ".")}.${line}.ts`, generated)
    writeFileSync(file, runnable(example))
    await import(/* @vite-ignore */ file.href)
  })
}

describe("doc comments", () => {
  const examples = [...sources.keys()].flatMap((path) => fencesOf(`src/${path}`))

  for (const example of examples) runs(example)

  it("say something about every export", () => {
    const silent = Array.from(sources)
      .filter(([path]) => !/(?:^|\/)internal\//.test(path) && !path.endsWith("index.ts"))
      .flatMap(([path, source]) =>
        Array.from(source.matchAll(/^export (?:const|type|interface|class) (\w+)/gm))
          .filter(({ index }) => {
            const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(source.slice(0, index))?.[1] ?? ""
            return !comment.split("\n").some((line) => /^\s*\* [^@\s]/.test(line))
          })
          .map(([, name]) => `${path}: ${name}`)
      )
    assert.deepStrictEqual(silent, [])
  })

  it("hold examples", () => {
    assert.isAbove(examples.length, 25)
  })
})

describe("the guide", () => {
  const pages = documents.filter((path) => path.startsWith("docs/guide/"))
  for (const example of pages.flatMap(fencesOf).filter(({ language }) => language === "ts")) runs(example)
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
