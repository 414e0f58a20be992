import { assert, describe, it } from "@effect/vitest"
import { filesById, idsOf, withFiles } from "../../scripts/promises.ts"
import { read } from "./documents.ts"

describe("docs/promises.md", () => {
  const document = read("docs/promises.md")

  it("has one line for every id in the name of a test, and no other", () => {
    assert.deepStrictEqual(idsOf(document).toSorted(), [...filesById().keys()].toSorted())
  })

  it("names the files of these tests, as `npm run reference` writes them", () => {
    assert.strictEqual(document, withFiles(document), "npm run reference mends it")
  })
})
