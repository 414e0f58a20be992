import { assert, describe, it } from "@effect/vitest"
import { headerLookup } from "../../src/internal/untrusted/headers.ts"
import { isList, items, json, longestJson, property } from "../../src/internal/untrusted/values.ts"

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable<Array<unknown>>([], {})
  revoke()
  return proxy
}

describe("property", () => {
  it("is read of objects and functions", () => {
    assert.strictEqual(property({ a: 1 }, "a"), 1)
    assert.strictEqual(property(Object.assign(() => {}, { a: 1 }), "a"), 1)
    assert.strictEqual(property([7], "0"), 7)
  })

  it.each([[null], [undefined], ["text"], [7]])("%o has none", (self) => {
    assert.strictEqual(property(self, "length"), undefined)
  })

  it("that cannot be read is none", () => {
    assert.strictEqual(property(revoked(), "length"), undefined)
  })
})

describe("json", () => {
  it("is an object or a list, in a text up to the longest", () => {
    assert.deepStrictEqual(json(" \n{\"a\":1}"), { a: 1 })
    assert.deepStrictEqual(json("[1]"), [1])
    assert.deepStrictEqual(json("[1]".padEnd(longestJson)), [1])
    assert.strictEqual(json("[1]".padEnd(longestJson + 1)), undefined)
  })

  it.each(["46", "\"{\"", "null", "x{}", "{", ""])("%j is none", (text) => {
    assert.strictEqual(json(text), undefined)
  })
})

describe("a list", () => {
  it("gives its first items, and anything else gives none", () => {
    assert.deepStrictEqual(items([1, 2, 3], 2), [1, 2])
    assert.deepStrictEqual(items({ 0: 1, length: 1 }, 2), [])
    assert.deepStrictEqual(items(revoked(), 2), [])
  })

  it("is distinguished from what cannot be asked", () => {
    assert.deepStrictEqual([[], {}, "[]", revoked()].map(isList), [true, false, false, false])
  })
})

describe("headers", () => {
  const of = (headers: unknown, name = "name") => headerLookup(headers)(name)

  it.each<[string, unknown, string | undefined]>([
    ["a record", { Name: " value " }, "value"],
    ["a Map", new Map([["NAME", "value"]]), "value"],
    ["a Map in which not every name is a text", new Map<unknown, string>([[7, "7"], ["name", "value"]]), "value"],
    ["something with get", { get: (name: string) => name === "name" ? "value" : null }, "value"],
    ["a function with get", Object.assign(() => {}, { get: () => "value" }), "value"],
    ["something whose get needs its owner", new Headers({ name: "value" }), "value"],
    ["a number", { name: 7 }, "7"],
    ["a record with junk under the same name", { name: "value", NAME: {} }, "value"],
    ["a list", { name: ["first", "second"] }, "first"],
    ["a list of numbers", { name: [0] }, "0"],
    ["an empty list", { name: [] }, undefined],
    ["a truth", { name: true }, undefined],
    ["another name", { other: "value" }, undefined],
    ["a text", "name: value", undefined],
    ["nothing", undefined, undefined],
    ["what was revoked", revoked(), undefined],
    ["a get that throws", { get: () => assert.fail() }, undefined]
  ])("of %s", (_, headers, value) => {
    assert.strictEqual(of(headers), value)
  })

  it("of a proxy that cannot list its names are none", () => {
    assert.strictEqual(of(new Proxy({ name: "value" }, { ownKeys: () => assert.fail() })), undefined)
  })

  it("are no longer than what a number, a name or a date can be", () => {
    assert.strictEqual(of({ name: "7".padEnd(256) }), "7")
    assert.strictEqual(of({ name: "7".padEnd(257) }), undefined)
  })

  it("are as many as a server may send, and no more", () => {
    const many = Array.from({ length: 513 }, (_, index) => [`h${index}`, "value"] as const)
    for (const headers of [Object.fromEntries(many), new Map(many)]) {
      assert.strictEqual(of(headers, "h511"), "value")
      assert.strictEqual(of(headers, "h512"), undefined)
    }
  })
})
