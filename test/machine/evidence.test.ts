import { assert, describe, it } from "@effect/vitest"
import {
  came,
  type Evidence,
  failed,
  type Identity,
  keptFromProbing,
  none,
  type NotCounted,
  rememberMillis,
  served,
  undescribed,
  vouchMillis
} from "../../src/internal/machine/evidence.ts"

const call = (call: number, request = call, source = 0): Identity => ({ call, request, source })
const another = 900
const of = (request: number, source = 0): Identity => ({ call: request, request, source })

/** Failures one after the other, and why each did not count. */
const failing = (
  start: Evidence,
  ...steps: ReadonlyArray<readonly [identity: Identity, now: number]>
): { readonly evidence: Evidence; readonly notCounted: ReadonlyArray<NotCounted | undefined> } => {
  const notCounted: Array<NotCounted | undefined> = []
  let evidence = start
  for (const [identity, now] of steps) {
    const after = failed(evidence, identity, now, false, 2)
    evidence = after.evidence
    notCounted.push(after.notCounted)
  }
  return { evidence, notCounted }
}

describe("a failure that a request can cause", () => {
  it("counts for each call that is another request", () => {
    assert.deepStrictEqual(failing(none, [call(1), 0], [call(2), 1], [call(3), 2]).notCounted, [
      undefined,
      undefined,
      undefined
    ])
  })

  it("counts once for one call, whether or not the target is vouched for", () => {
    assert.deepStrictEqual(failing(none, [call(1), 0], [call(1), 1], [call(1), 2]).notCounted, [
      undefined,
      "same_call",
      "same_call"
    ])
  })

  it("counts again for a request that is sent again while nothing else is served", () => {
    assert.deepStrictEqual(failing(none, [call(1, 7), 0], [call(2, 7), 1]).notCounted, [undefined, undefined])
  })

  it("does not count again while the target is vouched for by another request, before or since", () => {
    const before = served(none, of(another), 0)
    assert.deepStrictEqual(failing(before, [call(1, 7), 1], [call(2, 7), 2]).notCounted, [undefined, "repeat"])
    const first = failing(none, [call(1, 7), 0]).evidence
    const since = served(first, of(another), 0)
    assert.deepStrictEqual(failing(since, [call(2, 7), rememberMillis]).notCounted, ["repeat"])
  })

  it("is vouched for during 10 s after a request that was served before it first failed", () => {
    const before = failing(served(none, of(another), 0), [call(1, 7), 1]).evidence
    assert.deepStrictEqual(failing(before, [call(2, 7), vouchMillis]).notCounted, ["repeat"])
    assert.deepStrictEqual(failing(before, [call(2, 7), vouchMillis + 1]).notCounted, [undefined])
  })

  it("is not vouched for by itself", () => {
    const itself = served(none, of(7), 0)
    assert.deepStrictEqual(failing(itself, [call(1, 7), 1], [call(2, 7), 2]).notCounted, [undefined, undefined])
  })

  it("is vouched for by another request although its own was served later", () => {
    const both = served(served(none, of(another), 0), of(7), 1)
    assert.deepStrictEqual(failing(both, [call(1, 7), 2], [call(2, 7), 3]).notCounted, [undefined, "repeat"])
    const again = served(served(served(none, of(another), 0), of(7), 1), of(7), 2)
    assert.deepStrictEqual(failing(again, [call(1, 7), 3], [call(2, 7), 4]).notCounted, [undefined, "repeat"])
  })

  it("is vouched for by calls that nobody described", () => {
    const undescribed = served(none, of(0), 0)
    assert.deepStrictEqual(failing(undescribed, [call(1, 7), 1], [call(2, 7), 2]).notCounted, [undefined, "repeat"])
  })

  it("is known until 30 s after its last attempt, counted or not", () => {
    const vouched = (at: number) => served(none, of(another, 0), at)
    const first = failing(vouched(0), [call(1, 7), 0], [call(2, 7), 5_000]).evidence
    const later = { ...first, served: vouched(5_000 + rememberMillis).served }
    assert.deepStrictEqual(failing(later, [call(3, 7), 5_000 + rememberMillis]).notCounted, ["repeat"])
    assert.deepStrictEqual(failing(later, [call(3, 7), 5_001 + rememberMillis]).notCounted, [undefined])
  })

  it("keeps the time of its first failure, so that what was served since then vouches", () => {
    const first = failing(none, [call(1, 7), 0]).evidence
    const second = failing(served(first, of(another), 1_000), [call(2, 7), 20_000]).evidence
    assert.deepStrictEqual(failing(second, [call(3, 7), 40_000]).notCounted, ["repeat"])
  })

  it("of a probe always counts, and is known afterwards", () => {
    const vouched = served(none, of(another), 0)
    const first = failing(vouched, [call(1, 7), 1]).evidence
    const probe = failed(first, call(2, 7), 2, true, 2)
    assert.isUndefined(probe.notCounted)
    assert.deepStrictEqual(failing(probe.evidence, [call(2, 7), 3]).notCounted, ["same_call"])
  })

  it("remembers 16 requests, and forgets the one that failed longest ago", () => {
    const many = Array.from({ length: 17 }, (_, index) => [call(index + 1), index] as const)
    const { evidence } = failing(none, ...many)
    assert.strictEqual(evidence.failed.length, 16)
    assert.deepStrictEqual(failing(evidence, [call(2), 20]).notCounted, ["same_call"])
    assert.deepStrictEqual(failing(evidence, [call(1), 20]).notCounted, [undefined])
    const renewed = failing(none, ...many.slice(0, 16), [call(1), 30], [call(50), 31])
    assert.deepStrictEqual(renewed.evidence.failed.map(({ call }) => call).slice(-2), [1, 50])
    assert.isFalse(renewed.evidence.failed.some(({ call }) => call === 2))
  })
})

describe("a source", () => {
  const active = (at = 0) => served(none, of(another, 20), at)

  it("counts as often as it may, and no more, while another is active", () => {
    const steps = [1, 2, 3, 4].map((id) => [call(id, id, 10), id] as const)
    assert.deepStrictEqual(failing(active(), ...steps).notCounted, [undefined, undefined, "one_source", "one_source"])
  })

  it("counts each time where it is the only one, or where callers name none", () => {
    const named = [1, 2, 3, 4].map((id) => [call(id, id, 10), id] as const)
    assert.deepStrictEqual(failing(none, ...named).notCounted, [undefined, undefined, undefined, undefined])
    const nameless = [1, 2, 3, 4].map((id) => [call(id, id, 0), id] as const)
    assert.deepStrictEqual(failing(active(), ...nameless).notCounted, [undefined, undefined, undefined, undefined])
  })

  it("counts each time when the other one has failed too", () => {
    const { notCounted } = failing(
      active(),
      [call(1, 1, 10), 1],
      [call(2, 2, 20), 2],
      [call(3, 3, 10), 3],
      [call(4, 4, 10), 4]
    )
    assert.deepStrictEqual(notCounted, [undefined, undefined, undefined, undefined])
  })

  it("does not open the circuit with failures that did not count before the other failed", () => {
    const steps = [1, 2, 3].map((id) => [call(id, id, 10), id] as const)
    const { evidence } = failing(active(), ...steps)
    assert.deepStrictEqual(evidence.failed.map(({ counted }) => counted), [true, true, false])
    assert.deepStrictEqual(failing(evidence, [call(9, 9, 20), 9], [call(10, 10, 10), 10]).notCounted, [
      undefined,
      undefined
    ])
  })

  it("is active for a minute after it was served or failed", () => {
    const steps = [1, 2, 3].map((id) => [call(id, id, 10), 60_000] as const)
    assert.deepStrictEqual(failing(active(), ...steps).notCounted, [undefined, undefined, "one_source"])
    const late = [1, 2, 3].map((id) => [call(id, id, 10), 60_001] as const)
    assert.deepStrictEqual(failing(active(), ...late).notCounted, [undefined, undefined, undefined])
    const byFailure = failing(none, [call(99, 99, 20), 0]).evidence
    const onlyOne = { ...byFailure, failed: [] }
    assert.deepStrictEqual(failing(onlyOne, ...steps).notCounted, [undefined, undefined, "one_source"])
  })

  it("is remembered beside one that calls all the time", () => {
    let evidence = served(none, of(another, 20), 0)
    for (let at = 1; at < 10; at++) evidence = served(evidence, of(another + at, 10), at)
    const steps = [1, 2, 3].map((id) => [call(id, id, 10), 20] as const)
    assert.deepStrictEqual(failing(evidence, ...steps).notCounted, [undefined, undefined, "one_source"])
  })

  it("may open a circuit by itself never, not even one that opens at the first failure", () => {
    const { notCounted } = failed(active(), call(1, 1, 10), 1, false, 0)
    assert.strictEqual(notCounted, "one_source")
    assert.isUndefined(failed(none, call(1, 1, 10), 1, false, 0).notCounted)
  })
})

describe("who may probe", () => {
  const openMillis = 1_000
  const opened = failing(none, [call(1, 7), 0], [call(2, 8), 100]).evidence

  it("is a call that had no part in the failures", () => {
    assert.strictEqual(keptFromProbing(opened, call(3, 9), false, 200, openMillis), 0)
  })

  it("is not a request that helped to open, until nobody else came for one open time", () => {
    for (const identity of [call(3, 7), call(3, 8), call(2, 99)]) {
      assert.strictEqual(keptFromProbing(opened, identity, false, 200, openMillis), 900)
    }
    assert.strictEqual(keptFromProbing(opened, call(3, 7), false, 1_099, openMillis), 1)
    assert.strictEqual(keptFromProbing(opened, call(3, 7), false, 1_100, openMillis), 0)
    const visited = came(opened, call(3, 9), 600)
    assert.strictEqual(keptFromProbing(visited, call(4, 7), false, 1_100, openMillis), 500)
    assert.strictEqual(keptFromProbing(visited, call(4, 7), false, 1_600, openMillis), 0)
  })

  it("is not a request that helped to open, also long after another one's probe failed", () => {
    const { evidence } = failed(opened, call(3, 9), 60_000, true, 2)
    assert.strictEqual(keptFromProbing(evidence, call(4, 7), false, 60_100, openMillis), 900)
  })

  it("may be a request that failed without being counted", () => {
    const vouched = served(none, of(another), 0)
    const { evidence } = failed({ ...vouched, sources: [{ id: 20, at: 0 }] }, call(1, 7, 10), 1, false, 0)
    assert.strictEqual(keptFromProbing(evidence, call(2, 7, 10), false, 2, openMillis), 0)
  })

  it("is not kept away by its own coming", () => {
    assert.strictEqual(came(opened, call(3, 7), 600), opened)
    assert.strictEqual(keptFromProbing(came(opened, call(3, 7), 600), call(3, 7), false, 1_100, openMillis), 0)
  })

  it("is not a call that has failed elsewhere, until nobody else came for one open time", () => {
    assert.strictEqual(keptFromProbing(opened, call(3, 9), true, 200, openMillis), 900)
    assert.strictEqual(keptFromProbing(came(opened, call(4, 10), 300), call(3, 9), true, 200, openMillis), 1_100)
    assert.strictEqual(keptFromProbing(none, call(3, 9), true, 200, openMillis), 0)
  })
})

describe("what is remembered", () => {
  it("is nothing at first", () => {
    assert.deepStrictEqual(none, {
      failed: [],
      served: [],
      sources: [],
      ofOneSource: { source: 0, failures: 0 },
      otherCameAt: -Infinity
    })
  })

  it("of calls that nobody described is that one was served, and of nobody", () => {
    const { served: requests, sources } = served(none, undescribed, 5)
    assert.deepStrictEqual(requests, [{ id: 0, at: 5 }])
    assert.deepStrictEqual(sources, [])
    assert.deepStrictEqual(failing(none, [of(1), 5]).evidence.sources, [])
    // Nobody is no other source.
    assert.deepStrictEqual(
      failing(served(none, of(9), 0), [of(1, 5), 1], [of(2, 5), 2], [of(3, 5), 3], [of(4, 5), 4]).notCounted,
      [undefined, undefined, undefined, undefined]
    )
  })

  it("is of the two that were served last, each once", () => {
    const evidence = [of(1), of(2), of(3), of(2)].reduce((self, identity, at) => served(self, identity, at), none)
    assert.deepStrictEqual(evidence.served, [{ id: 2, at: 3 }, { id: 3, at: 2 }])
  })

  it("of a request that fails again is one entry, which has counted if it ever did", () => {
    const { evidence, notCounted } = failing(served(none, of(9), 0), [call(1, 7), 1], [call(2, 7), 2])
    assert.deepStrictEqual(notCounted, [undefined, "repeat"])
    assert.deepStrictEqual(evidence.failed, [{ ...call(2, 7), firstAt: 1, lastAt: 2, counted: true }])
  })

  it("is the call, too, if it comes with another request", () => {
    assert.deepStrictEqual(failing(none, [call(1, 1), 0], [call(1, 2), 1]).notCounted, [undefined, "same_call"])
  })

  it("is measured from what was served, however late that is", () => {
    const late = served(none, of(9), 1_000_000)
    assert.deepStrictEqual(
      failing(
        late,
        [call(1, 7), 1_000_001],
        [call(2, 7), 1_010_000],
        [call(3, 8), 1_010_000],
        [call(4, 8), 1_010_001]
      ).notCounted,
      [undefined, "repeat", undefined, undefined]
    )
  })

  it("of sources is who was active, however late that is, and what counted of one", () => {
    const late = served(none, of(9, 6), 1_000_000)
    assert.deepStrictEqual(
      failing(
        late,
        [call(1, 7, 5), 1_000_001],
        [call(2, 7, 5), 1_000_002],
        [call(3, 8, 5), 1_000_003],
        [call(4, 10, 5), 1_060_000],
        [call(5, 11, 5), 1_060_001]
      ).notCounted,
      [undefined, "repeat", undefined, "one_source", undefined]
    )
  })
})
