import { assert, describe, it } from "@effect/vitest"
import { bundledBytes, programs } from "./bundle.ts"

describe("what a program carries of the library, minified and gzipped, is within its limit:", () => {
  for (const { limit, name, program } of programs) {
    it(name, async () => {
      const bytes = await bundledBytes(program)
      assert.isAtMost(bytes, limit)
      assert.isAbove(bytes, limit / 2, "it is not the whole program that was measured")
    })
  }
})
