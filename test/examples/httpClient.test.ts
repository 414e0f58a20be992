import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as HttpClientExample from "../../examples/http-client.ts"

describe("examples", () => {
  it.live("http-client: a cut and a 529 open the circuit, and a probe closes it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* HttpClientExample.program, [
        "the answer broke off",
        "it said 529",
        "local/model is resting",
        "{\"text\":\"hello\"}"
      ])
    }))
})
