// Holds the top level of the repository to what a newcomer looks for there. All else has a folder: settings of tools are
// dot-files or stand in package.json, generated files lie in docs, tests and their fixtures in test.
import { assert, describe, it } from "@effect/vitest"
import { readdirSync } from "node:fs"
import { matchesGlob } from "node:path"
import { read, root } from "./documents.ts"

const allowed = [
  "src",
  "test",
  "examples",
  "dashboards",
  "docs",
  "scripts",
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "LICENSE",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  // Vitest looks for it here.
  "vitest.config.ts"
]

describe("the top level of the repository", () => {
  const ignored = read(".gitignore").split("\n").map((line) => line.replace(/\/$/, ""))
  const entries = readdirSync(root)
    .filter((name) => !name.startsWith(".") && !ignored.some((pattern) => matchesGlob(name, pattern)))

  it("holds the files and folders of this list, and nothing else", () => {
    assert.deepStrictEqual(entries.toSorted(), allowed.toSorted())
  })
})
