import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { LlmStream } from "effect-resilience"

describe("a part of a stream that is none", () => {
  const readers = Object.entries({
    openAi: LlmStream.openAi,
    anthropic: LlmStream.anthropic,
    gemini: LlmStream.gemini,
    effectAi: LlmStream.effectAi
  })
  const tags = new Set(["Alive", "Content", "Waiting", "Finish", "Failed"])
  const everyReader = (part: unknown) => {
    for (const [name, read] of readers) assert.isTrue(tags.has(read(part)._tag), name)
  }

  const hostile = new Proxy({}, {
    get: () => {
      throw new Error("boom")
    },
    has: () => {
      throw new Error("boom")
    },
    ownKeys: () => {
      throw new Error("boom")
    },
    getPrototypeOf: () => {
      throw new Error("boom")
    }
  })
  const { proxy: revoked, revoke } = Proxy.revocable({}, {})
  revoke()
  const cyclic: Record<string, unknown> = { type: "error" }
  cyclic["error"] = cyclic
  cyclic["cause"] = [cyclic]

  it("of every kind is read without a word, and is no progress", () => {
    const junk = [
      undefined,
      null,
      true,
      0,
      Number.NaN,
      1n,
      Symbol("part"),
      () => "data",
      "",
      "null",
      "[]",
      "{",
      "{}",
      "\u0000",
      "\uD800",
      "<!doctype html><html><body>502 Bad Gateway</body></html>",
      "data: <html>",
      "data:",
      "data: {\"choices\":[{\"delta\":{\"content\":\"Hel",
      `data: ${"[".repeat(60_000)}`,
      `data: ${"{\"choices\":[".repeat(5_000)}`,
      [],
      [[]],
      {},
      { data: null },
      { data: {} },
      { type: null, choices: null, error: null },
      { type: 5, choices: "choices", delta: [] },
      { choices: [null, 1, "x", { delta: null }, { delta: 1 }, { finish_reason: 5 }] },
      new Date(Number.NaN),
      new Map(),
      new Uint8Array(8),
      hostile,
      revoked,
      { data: hostile },
      { type: "text-delta", delta: null },
      Object.create(null)
    ]
    for (const part of junk) {
      for (const [name, read] of readers) assert.strictEqual(read(part)._tag, "Alive", `${name} of ${typeof part}`)
    }
  })

  it("of any depth, and errors that wrap themselves, come to an end", () => {
    everyReader(cyclic)
    everyReader({ error: hostile })
    everyReader({ choices: Array.from({ length: 1_000_000 }, () => hostile) })
    everyReader({ type: "error", error: hostile })
    everyReader({ type: "finish", reason: "error", response: revoked })
    everyReader({ event: "error", data: hostile })
    let deep: unknown = "bottom"
    for (let depth = 0; depth < 100_000; depth++) deep = { error: deep }
    everyReader(deep)
  })

  const Value = Schema.Union([
    Schema.Json,
    Schema.Literals(["error", "finish", "response.completed", "response.failed", "message_stop", "content_filter"])
  ])
  const keys = ["type", "event", "data", "error", "choices", "delta", "response", "content_block", "reason"] as const
  const Part = Schema.Record(Schema.Literals(keys), Schema.optionalKey(Value))

  it.prop("from a generator is always read as a signal, and never throws", { part: Part }, ({ part }) => {
    everyReader(part)
    everyReader([part])
    everyReader({ choices: [part, { delta: part, finish_reason: part["reason"] }] })
    everyReader({ event: part["type"], data: JSON.stringify(part) })
    everyReader(`data: ${JSON.stringify(part)}`)
  }, { arbitrary: { runs: 500 } })
})
