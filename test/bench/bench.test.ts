import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { report as calls } from "./calls/report.ts"
import { type Budget, budgetTable, isKept, json, type Result } from "./findings.ts"
import { axes, type AxisName, floorName, pointName, subjects } from "./growth/axes.ts"
import { report as growth } from "./growth/report.ts"
import { quantile, type Timing } from "./measure.ts"
import { report as memory } from "./memory/report.ts"

const timing = (name: string, rounds: ReadonlyArray<number>, comparedWith?: string): Timing => ({
  name,
  comparedWith,
  median: quantile(rounds, 0.5),
  spread: 0.1,
  rounds
})

const timings = (closed: ReadonlyArray<number>): ReadonlyArray<Timing> => [
  timing("floor", [100, 400, 1000]),
  timing("closed", closed, "floor"),
  timing("closed, window of 100", [100, 400, 1000], "floor"),
  timing("closed, observer", [100, 400, 1000], "floor"),
  timing("closed, metrics", [100, 400, 1000], "floor"),
  timing("routed, first of two targets", [100, 400, 1000], "floor"),
  timing("rejected, open", [100, 400, 1000], "floor"),
  timing("rejected, forced open", [100, 400, 1000], "floor"),
  timing("effect/persistence closed", [900, 3600, 9000], "closed"),
  timing("effect/persistence rejected", [2000, 8000, 20_000], "rejected, open"),
  timing("cockatiel rejected", [100, 400, 1000], "rejected, open")
]

const row = (results: ReadonlyArray<Result>, name: string) => results.find((result) => result.name === name)

describe("the benchmark", () => {
  it("compares a call with another round by round, and not by their medians", () => {
    const { results } = calls(timings([120, 900, 1200]))
    assert.deepStrictEqual(row(results, "closed"), {
      name: "closed",
      value: 900,
      unit: "ns/call",
      ratio_of: "floor",
      ratio: 1.2
    })
    assert.deepStrictEqual(row(results, "floor"), {
      name: "floor",
      value: 400,
      unit: "ns/call",
      ratio_of: null,
      ratio: null
    })
  })

  it("misses a budget that is passed by little, and names it", () => {
    const missed = (closed: ReadonlyArray<number>) => calls(timings(closed)).budgets.filter((budget) => !isKept(budget))
    assert.deepStrictEqual(missed([110, 440, 1100]), [])
    const [cost, faster, ...others] = missed([126, 504, 1260])
    assert.deepStrictEqual(others, [])
    assert.strictEqual(cost?.of, "× the cost of floor")
    assert.strictEqual(faster?.of, "× faster than effect/persistence closed")
    assert.match(budgetTable([cost!]), /closed.* 1\.26 .*at most 1\.25 +MISSED/)
  })

  it("keeps a budget at its limit", () => {
    const at = (rule: Budget["rule"], measured: number) => isKept({ name: "", of: "", measured, rule, limit: 2 })
    assert.deepStrictEqual([1, 2, 3].map((measured) => at("at most", measured)), [true, true, false])
    assert.deepStrictEqual([1, 2, 3].map((measured) => at("at least", measured)), [false, true, true])
    assert.deepStrictEqual([1, 2, 3].map((measured) => at("exactly", measured)), [false, true, false])
  })

  it("budgets every kind of idle circuit of ours, and of nobody else", () => {
    const circuits = { circuits: 10, bytes: 600 }
    const { budgets, results } = memory([
      { name: "idle circuit", ...circuits },
      { name: "opossum idle circuit", comparedWith: "idle circuit", circuits: 10, bytes: 1200 }
    ], { circuits: 10, left: 1 })
    assert.deepStrictEqual(
      budgets.filter((budget) => !isKept(budget)).map(({ name }) => name),
      ["idle circuit", "circuits left of 10 that nobody used for 2 hours"]
    )
    assert.strictEqual(row(results, "opossum idle circuit")?.ratio, 2)
  })

  it("draws a curve as one line of a table, with what was not measured left out", () => {
    const name = (size: number) => pointName("keys", subjects.ours, size)
    const timings = [
      timing(floorName("keys"), [100]),
      timing(name(1), [150], floorName("keys")),
      timing(name(1000), [300], name(1))
    ]
    const { results, text } = growth([{ axis: "keys", timings }])
    assert.match(text, /^closed +150 ± 10 % +– +– +300 ± 10 % +– +–$/m)
    assert.deepStrictEqual(results.map(({ name, ratio }) => [name, ratio]), [
      ["floor, by keys", null],
      ["closed, 1 key", 1.5],
      ["closed, 1000 keys", 2]
    ])
  })
})

describe("bench.json", () => {
  const text = readFileSync(new URL("../../docs/bench.json", import.meta.url), "utf8")
  const results: ReadonlyArray<Result> = JSON.parse(text)
  const names = results.map(({ name }) => name)

  it("has rows of name, value, unit, ratio_of and ratio, as the benchmark writes them", () => {
    for (const result of results) {
      assert.deepStrictEqual(Object.keys(result), ["name", "value", "unit", "ratio_of", "ratio"])
      assert.isTrue(Number.isFinite(result.value), result.name)
    }
    assert.strictEqual(json(results), text)
  })

  it("names every row once, and what a ratio is of is a row of the same unit", () => {
    assert.deepStrictEqual(names.filter((name, index) => names.indexOf(name) !== index), [])
    for (const { name, ratio_of, unit } of results) {
      if (ratio_of !== null) assert.strictEqual(row(results, ratio_of)?.unit, unit, name)
    }
  })

  it("has every point of ours that the chart of the README draws", () => {
    for (const axis of Object.keys(axes) as ReadonlyArray<AxisName>) {
      assert.include(names, floorName(axis))
      for (const size of axes[axis].sizes) assert.include(names, pointName(axis, subjects.ours, size))
    }
  })
})
