import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const path = (of: string) => fileURLToPath(new URL(`../../${of}`, import.meta.url))

/** What `npm run lint` would say of a folder with these modules. */
const lint = (modules: Readonly<Record<string, string>>) => {
  const folder = mkdtempSync(join(tmpdir(), "cycles-"))
  try {
    copyFileSync(path(".oxlintrc.json"), join(folder, ".oxlintrc.json"))
    for (const [name, source] of Object.entries(modules)) writeFileSync(join(folder, name), source)
    const oxlint = path("node_modules/oxlint/bin/oxlint")
    const { status, stdout } = spawnSync(process.execPath, [oxlint, "--deny-warnings", "."], {
      cwd: folder,
      encoding: "utf8"
    })
    return { status, stdout }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const first = `import { second } from "./second.ts"\nexport const first = (): number => second()\n`

describe("the linter", () => {
  it("finds modules that import each other", () => {
    const second = `import { first } from "./first.ts"\nexport const second = (): number => first()\n`
    const { status, stdout } = lint({ "first.ts": first, "second.ts": second })
    assert.strictEqual(status, 1)
    assert.include(stdout, "import(no-cycle)")
  })

  it("has nothing against one that imports another", () => {
    const second = `export const second = (): number => 1\n`
    assert.strictEqual(lint({ "first.ts": first, "second.ts": second }).status, 0)
  })
})
