import { assert, describe, it, vi } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { Headers as EffectHeaders } from "effect/http"
import { inspect } from "node:util"
import * as RetryHint from "../../src/RetryHint.ts"

const now = Date.parse("2026-11-20T12:00:00Z")
const at = (seconds: number) => new Date(now + seconds * 1000)

const millis = (hint: Duration.Duration | undefined) => hint === undefined ? undefined : Duration.toMillis(hint)
const fromHeaders = (headers: unknown, status?: number) =>
  millis(RetryHint.fromHeaders(headers, { nowMillis: now, status }))

const day = Duration.toMillis(RetryHint.maxHint)

describe("RetryHint.parseSeconds", () => {
  it.each([
    ["0", 0],
    ["30", 30_000],
    ["1.5", 1500],
    [".5", 500],
    [".25", 250],
    ["1.", 1000],
    ["2.007", 2007],
    ["0.0001", 1],
    [" 30 ", 30_000],
    ["86400", day],
    ["86401", day],
    ["999999999999", day]
  ])("reads %j as %i ms", (text, expected) => {
    assert.strictEqual(millis(RetryHint.parseSeconds(text)), expected)
  })

  it.each([
    "",
    " ",
    "-5",
    "+5",
    "inf",
    "Infinity",
    "nan",
    "NaN",
    "1e12",
    "0x10",
    "1,5",
    "1_000",
    "5 seconds",
    "9".repeat(400)
  ])(
    "reads %j as nothing",
    (text) => {
      assert.strictEqual(RetryHint.parseSeconds(text), undefined)
    }
  )
})

describe("RetryHint.parseMillis", () => {
  it.each(
    [["512", 512], ["0", 0], ["12.4", 13], ["1e3", undefined], ["-1", undefined], ["1000000000000", day]] as const
  )(
    "reads %j as %o ms",
    (text, expected) => {
      assert.strictEqual(millis(RetryHint.parseMillis(text)), expected)
    }
  )
})

describe("RetryHint.parseDuration", () => {
  it.each([
    ["6m0s", 360_000],
    ["12ms", 12],
    ["1s", 1000],
    ["46s", 46_000],
    ["1h2m3.5s", 3_723_500],
    ["10h17m5.72s", 37_025_720],
    ["1.5h", 5_400_000],
    [".25s", 250],
    [" 46s ", 46_000],
    ["0".repeat(62) + "5s", 5000],
    ["250µs", 1],
    ["250μs", 1],
    ["250us", 1],
    ["1ns", 1],
    ["0s", 0],
    ["100h", day]
  ])("reads %j as %i ms", (text, expected) => {
    assert.strictEqual(millis(RetryHint.parseDuration(text)), expected)
  })

  it.each(["", "6", "s", "-6s", "1.2.3s", "6m0", "6 m", "1d", "6m0s!", "0".repeat(63) + "5s", "1".repeat(80) + "s"])(
    "reads %j as nothing",
    (text) => {
      assert.strictEqual(RetryHint.parseDuration(text), undefined)
    }
  )
})

describe("RetryHint.parseHttpDate", () => {
  it.each([
    ["Fri, 20 Nov 2026 12:01:30 GMT", 90_000],
    ["Friday, 20-Nov-26 12:01:30 GMT", 90_000],
    ["Fri Nov 20 12:01:30 2026", 90_000],
    ["fri, 20 nov 2026 12:01:30 gmt", 90_000],
    [" Fri, 20 Nov 2026 12:01:30 GMT ", 90_000],
    ["Fri,  20 November 2026 12:01:30 GMT", 90_000],
    ["Fri, 20 Nov 2026 12:01:30 GMT".padEnd(64), 90_000],
    ["Fri, 20 Nov 2026 12:00:00 GMT", 0],
    ["Wed, 21 Oct 2015 07:28:00 GMT", 0],
    ["Fri, 20 Nov 2099 12:00:00 GMT", day]
  ])("reads %j as %i ms", (text, expected) => {
    assert.strictEqual(millis(RetryHint.parseHttpDate(text, now)), expected)
  })

  it("takes a date without a zone for GMT, wherever it runs", () => {
    vi.stubEnv("TZ", "Asia/Tokyo")
    assert.strictEqual(new Date(now).getHours(), 21)
    assert.strictEqual(millis(RetryHint.parseHttpDate("Fri Nov 20 12:01:30 2026", now)), 90_000)
    vi.unstubAllEnvs()
  })

  it.each([
    "",
    "Mon, 5",
    "20 Nov 2026 12:01:30 GMT",
    "Fri, 20 Nov 2026",
    "Fri, 99 Nov 2026 12:01:30 GMT",
    "tomorrow",
    "not before Fri, 20 Nov 2026 12:01:30 GMT",
    "Fri, 20 Nov 2026 12:01:30 GMT (or so)",
    "Fri, 20 Nov 2026 12:01:30 GMT(UTC)",
    "Fri, 20 Nov 2026 12:01:30 GMT".padEnd(65)
  ])(
    "reads %j as nothing",
    (text) => {
      assert.strictEqual(RetryHint.parseHttpDate(text, now), undefined)
    }
  )
})

describe("RetryHint.parseTimestamp", () => {
  it.each([
    ["2026-11-20T12:00:20Z", 20_000],
    ["2026-11-20T13:00:20.25+01:00", 20_250],
    ["2026-11-20t12:00:20z", 20_000],
    [" 2026-11-20T12:00:20Z ", 20_000],
    ["2026-11-20T11:59:00Z", 0],
    ["2030-01-01T00:00:00Z", day]
  ])("reads %j as %i ms", (text, expected) => {
    assert.strictEqual(millis(RetryHint.parseTimestamp(text, now)), expected)
  })

  it.each([
    "2026-11-20T12:00:20",
    "2026-11-20",
    "2026-13-20T12:00:20Z",
    "12:00:20Z",
    "Fri 2026-11-20 12:00:20Z",
    "2026-11-20 12:00:20Z(UTC)"
  ])("reads %j as nothing", (text) => {
    assert.strictEqual(RetryHint.parseTimestamp(text, now), undefined)
  })
})

describe("RetryHint.parseUnixTime", () => {
  it.each([
    [String(now / 1000 + 5), 5000],
    [String(now + 5000), 5000],
    [String(now / 1000 - 5), 0],
    [String(now / 1000 - 86_400), 0],
    [String(now / 1000 - 86_401), undefined],
    ["1000000000", undefined],
    ["60", undefined],
    ["100000000000", day],
    ["100000000001", undefined]
  ])("reads %j as %o ms", (text, expected) => {
    assert.strictEqual(millis(RetryHint.parseUnixTime(text, now)), expected)
  })

  it("takes no small number for a time, even where the clock is near it, as the clock of a test is", () => {
    assert.strictEqual(RetryHint.parseUnixTime("60", 10_000), undefined)
    assert.strictEqual(millis(RetryHint.parse("60", 10_000)), 60_000)
    assert.strictEqual(RetryHint.parseUnixTime("1000000000", 1e12), undefined)
    assert.strictEqual(millis(RetryHint.parseUnixTime("1000000001", 1e12)), 1000)
  })
})

describe("RetryHint.fromMillis", () => {
  it.each([
    [Number.NaN, undefined],
    [Infinity, undefined],
    [-1, undefined],
    [-0, 0],
    [0.2, 1],
    [1e300, day]
  ])("makes %o into %o", (value, expected) => {
    assert.strictEqual(millis(RetryHint.fromMillis(value)), expected)
  })
})

describe("RetryHint.parseMessage", () => {
  it.each<[string, number | undefined]>([
    ["Rate limit reached for gpt-5 in organization org-1 on tokens per min. Please try again in 2.5s.", 2500],
    ["Please try again in 6m0s. Visit https://example.com", 360_000],
    ["Please try again in 12ms.", 12],
    ["You exceeded your current quota. Please retry in 46.123s.", 46_123],
    ["Requests have exceeded the limit. Please retry after 26 seconds. Please go to", 26_000],
    ["Please wait 1 minute before you retry.", 60_000],
    ["Try again in about 2 hours.", 7_200_000],
    ["RETRY AFTER 3 SECONDS", 3000],
    ["Please retry after 2.5 seconds.", 2500],
    ["Please wait 5... seconds", 5000],
    ["Please try again in 20s...", 20_000],
    ["Please try again in 500milliseconds", 500],
    ["Please try again in 400 hours", day],
    ["Please try again later.", undefined],
    ["Please retry after 26", undefined],
    ["Please retry after 2026-12-01", undefined],
    ["Monthly usage limit reached. Resets in 15 days.", day],
    ["Your quota will reset after 2h31m8s.", 9_068_000],
    ["[openai/gpt-5] [429]: busy (reset after 30s)", 30_000],
    ["Try again in 1 hour and 5 minutes.", 3_900_000],
    ["Please wait 2 minutes, 30 seconds", 150_000],
    ["Available again in 90 sec", 90_000],
    ["Please try again in 0s.", undefined],
    ["请在 30 秒后重试", 30_000],
    ["It will reset at 2026-11-20 21:00:00 +0800 CST. Request id: 1", 3_600_000],
    ["You will regain access on 2026-11-20 at 13:00 UTC.", 3_600_000],
    ["Limit resets at 2026-11-20T12:30:00Z", 1_800_000],
    ["Your limit will reset at 2026-11-20 21:00:00", undefined],
    ["Please try again in 1.2.3s", undefined],
    ["in 20s", undefined],
    ["", undefined],
    [`${"x".repeat(60_000)} Please try again in 2s.`, 2000],
    [`${"x".repeat(65_536)} Please try again in 2s.`, undefined]
  ])("%s", (text, millis) => {
    const hint = RetryHint.parseMessage(text, now)
    assert.strictEqual(hint === undefined ? undefined : Duration.toMillis(hint), millis)
  })
})

describe("RetryHint.fromHeaders", () => {
  it.each([
    ["a record in lower case", { "retry-after": "30" }],
    ["a record in any case", { "Retry-After": "30" }],
    ["a record in capitals", { "RETRY-AFTER": "30" }],
    ["a number", { "retry-after": 30 }],
    ["a list", { "retry-after": ["30", "40"] }],
    ["Effect's headers", EffectHeaders.fromInput({ "Retry-After": "30" })],
    ["WHATWG headers", new Headers({ "Retry-After": "30" })],
    ["a Map in any case", new Map([["Retry-After", "30"]])],
    ["something with get", { get: (name: string) => name === "retry-after" ? "30" : null }]
  ])("I33 finds the header in %s", (_, headers) => {
    assert.strictEqual(fromHeaders(headers), 30_000)
  })

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a text", "retry-after: 30"],
    ["a number", 30],
    ["an empty record", {}],
    ["a junk value", { "retry-after": "soon" }],
    ["an object as value", { "retry-after": {} }],
    ["an empty list", { "retry-after": [] }],
    ["a value that is too long", { "retry-after": " ".repeat(300) + "30" }],
    ["a get that throws", {
      get: () => {
        throw new Error("no")
      }
    }],
    ["a getter that throws", {
      get ["retry-after"]() {
        throw new Error("no")
      }
    }],
    ["a symbol", { "retry-after": Symbol("30") }],
    ["should-retry alone", { "x-should-retry": "true" }]
  ])("I33 has no hint for %s", (_, headers) => {
    assert.strictEqual(fromHeaders(headers, 429), undefined)
  })

  it.each([
    [at(90).toUTCString(), 90_000],
    ["inf", undefined],
    ["nan", undefined],
    ["-5", undefined],
    ["1e12", undefined],
    ["1000000000000", day],
    ["99999999", day],
    ["6m0s", 360_000],
    [at(12).toISOString(), 12_000],
    [String(now / 1000 + 7), 7000]
  ])("I34 reads retry-after %j as %o ms", (value, expected) => {
    assert.strictEqual(fromHeaders({ "retry-after": value }), expected)
  })

  it("I35 takes a wait of nothing for no hint", () => {
    assert.strictEqual(fromHeaders({ "retry-after": "0" }, 429), undefined)
    assert.strictEqual(fromHeaders({ "retry-after-ms": 0 }, 429), undefined)
    assert.strictEqual(fromHeaders({ "retry-after": at(-5).toUTCString() }, 429), undefined)
  })

  it.each([
    ["7, 7", 7000],
    ["7, 9", 9000],
    ["1,5", undefined],
    ["soon, 7", undefined],
    ["0, 0", undefined]
  ])("reads retry-after %j, which was sent twice, as %o ms", (value, expected) => {
    assert.strictEqual(fromHeaders({ "retry-after": value }, 429), expected)
  })

  it.each([
    ["x-retry-after", "7", 7000],
    ["x-ratelimit-retry-after", "7", 7000],
    ["retry-after-seconds", "7", 7000]
  ])("reads %s", (name, value, expected) => {
    assert.strictEqual(fromHeaders({ [name]: value }), expected)
  })

  it.each([
    ["retry-after-ms", "1500"],
    ["x-ms-retry-after-ms", "1500"],
    ["x-amz-retry-after", "1500"]
  ])("reads %s in milliseconds, before retry-after", (name, value) => {
    assert.strictEqual(fromHeaders({ "retry-after": "2", [name]: value }), 1500)
  })

  it("goes on to retry-after when the milliseconds are junk", () => {
    assert.strictEqual(fromHeaders({ "retry-after-ms": "-1", "retry-after": "2" }), 2000)
  })

  it.each([
    ["OpenAI, a duration", { "x-ratelimit-reset-requests": "6m0s" }, 360_000],
    ["Azure, whole seconds", { "x-ratelimit-reset-tokens": "25" }, 25_000],
    ["Azure, none", { "x-ratelimit-reset-tokens": "-1" }, undefined],
    ["Azure, already reset", { "x-ratelimit-reset-tokens": "0" }, undefined],
    ["OpenAI, by usage", { "x-ratelimit-reset-tokens_usage_based": "12ms" }, 12],
    ["Anthropic, a timestamp", { "anthropic-ratelimit-input-tokens-reset": "2026-11-20T12:00:20Z" }, 20_000],
    ["Anthropic, in the past", { "anthropic-ratelimit-requests-reset": "2026-11-20T11:00:00Z" }, undefined],
    ["Anthropic, Unix seconds", { "anthropic-ratelimit-unified-reset": String(now / 1000 + 40) }, 40_000],
    ["the IETF draft", { "ratelimit-reset": "50" }, 50_000],
    ["OpenRouter, Unix milliseconds", { "X-RateLimit-Reset": String(now + 3000) }, 3000],
    ["Cerebras, of a minute", {
      "x-ratelimit-remaining-tokens-minute": "0",
      "x-ratelimit-reset-tokens-minute": "11.38",
      "x-ratelimit-remaining-requests-day": "9000",
      "x-ratelimit-reset-requests-day": "33011.38"
    }, 11_380],
    ["the IETF draft, in one header", { ratelimit: "limit=10, remaining=0, reset=12" }, 12_000],
    ["the IETF draft, of a policy", { ratelimit: "\"default\";r=0;t=12" }, 12_000],
    ["the IETF draft, with room", { ratelimit: "limit=10, remaining=3, reset=12" }, undefined]
  ])("on a 429 reads the reset of %s", (_, headers, expected) => {
    assert.strictEqual(fromHeaders(headers, 429), expected)
    assert.strictEqual(fromHeaders(headers), undefined)
    assert.strictEqual(fromHeaders(headers, 503), undefined)
  })

  it("prefers retry-after to any reset", () => {
    assert.strictEqual(fromHeaders({ "retry-after": "1", "x-ratelimit-reset-tokens": "6m0s" }, 429), 1000)
    assert.strictEqual(fromHeaders({ "retry-after": "0", "x-ratelimit-reset-tokens": "6m0s" }, 429), 360_000)
  })

  it("leaves out the reset of a bucket that has room", () => {
    const headers = {
      "x-ratelimit-remaining-requests": "99",
      "x-ratelimit-reset-requests": "10m0s",
      "x-ratelimit-remaining-tokens": "0",
      "x-ratelimit-reset-tokens": "6.5s"
    }
    assert.strictEqual(fromHeaders(headers, 429), 6500)
    assert.strictEqual(fromHeaders({ ...headers, "x-ratelimit-remaining-tokens": "1" }, 429), undefined)
    const unified = { "anthropic-ratelimit-unified-reset": String(now / 1000 + 40) }
    assert.strictEqual(fromHeaders({ ...unified, "anthropic-ratelimit-unified-status": "rejected" }, 429), 40_000)
    assert.strictEqual(
      fromHeaders({ ...unified, "anthropic-ratelimit-unified-status": "allowed_warning" }, 429),
      undefined
    )
  })

  it("takes the longest reset of the buckets that are empty", () => {
    assert.strictEqual(fromHeaders({ "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "4s" }, 429), 4000)
  })
})

describe("RetryHint.fromBody", () => {
  const body = {
    error: {
      code: 429,
      status: "RESOURCE_EXHAUSTED",
      details: [
        { "@type": "type.googleapis.com/google.rpc.QuotaFailure", violations: [] },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "46s" }
      ]
    }
  }

  it.each([
    ["an answer", body],
    ["its text", JSON.stringify(body)],
    ["its error", body.error],
    ["a list of answers", [body]],
    ["the text of a list", ` ${JSON.stringify([body])}`]
  ])("reads RetryInfo from %s", (_, body) => {
    assert.strictEqual(millis(RetryHint.fromBody(body)), 46_000)
  })

  it.each([
    ["nothing", undefined],
    ["a text that is no JSON", "{not json"],
    ["a JSON text that is no object", "46"],
    ["a text above 64 KiB", JSON.stringify({ ...body, padding: "x".repeat(65_536) })],
    ["a delay that is no duration", { details: [{ "@type": "google.rpc.RetryInfo", retryDelay: "-46s" }] }],
    ["a delay of another type", { details: [{ "@type": "google.rpc.RetryInfo", retryDelay: 46 }] }],
    ["another detail", { details: [{ "@type": "google.rpc.Help", retryDelay: "46s" }] }],
    ["a detail far down the list", {
      details: [...Array.from({ length: 16 }), { "@type": "google.rpc.RetryInfo", retryDelay: "46s" }]
    }],
    ["details that are no list", { details: { "@type": "google.rpc.RetryInfo", retryDelay: "46s" } }]
  ])("has no hint for %s", (_, body) => {
    assert.strictEqual(RetryHint.fromBody(body), undefined)
  })
})

describe("RetryHint.fromBody, of fields that are named for it", () => {
  it.each<[string, object, number | undefined]>([
    ["seconds", { retry_after: 7 }, 7000],
    ["seconds in words", { retryAfter: "7s" }, 7000],
    ["seconds until a reset", { reset_after_seconds: 3600 }, 3_600_000],
    ["milliseconds", { retry_after_ms: 1500 }, 1500],
    ["the time that a model needs to load", { estimated_time: 20.5 }, 20_500],
    ["a delay of Google's", { quotaResetDelay: "373.8ms" }, 374],
    ["Unix seconds", { resets_at: now / 1000 + 60 }, 60_000],
    ["a timestamp", { reset_at: "2026-11-20T12:01:00Z" }, 60_000],
    ["nothing", { retry_after: 0 }, undefined],
    ["the past", { resets_at: now / 1000 - 60 }, undefined],
    ["words", { retry_after: "soon" }, undefined]
  ])("%s", (_, error, expected) => {
    assert.strictEqual(millis(RetryHint.fromBody({ error }, now)), expected)
    assert.strictEqual(millis(RetryHint.fromBody(JSON.stringify(error), now)), expected)
  })

  it("moments only count where it is known what time it is", () => {
    assert.strictEqual(RetryHint.fromBody({ resets_at: now / 1000 + 60 }), undefined)
  })
})

describe("RetryHint, whatever it is given", () => {
  const names = [
    "retry-after",
    "Retry-After-Ms",
    "x-ms-retry-after-ms",
    "x-amz-retry-after",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-remaining-tokens",
    "anthropic-ratelimit-tokens-reset",
    "anthropic-ratelimit-unified-reset",
    "ratelimit-reset",
    "get"
  ]
  const Text = Schema.Union([
    Schema.String,
    Schema.String.check(Schema.isPattern(/^[-+]?[0-9.e]{1,40}$/)),
    Schema.String.check(Schema.isPattern(/^([0-9]{1,30}(\.[0-9]{1,9})?(ns|us|ms|s|m|h)){1,4}$/)),
    Schema.String.check(Schema.isPattern(/^(Mon|Fri), [0-9]{2} (Nov|Foo) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/)),
    Schema.String.check(Schema.isPattern(/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/))
  ])
  const isHint = (hint: Duration.Duration | undefined) => {
    if (hint === undefined) return
    const millis = Duration.toMillis(hint)
    assert.isTrue(Number.isInteger(millis) && millis >= 0 && millis <= day, inspect(hint))
  }

  it.prop(
    "I34 a text gives a bounded wait or none",
    { text: Text, nowMillis: Schema.Finite },
    ({ nowMillis, text }) => {
      isHint(RetryHint.parse(text, nowMillis))
      isHint(RetryHint.parse(text, Number.NaN))
      isHint(RetryHint.parseMillis(text))
      isHint(RetryHint.parseMessage(`try again in ${text}`))
    },
    { arbitrary: { runs: 2000 } }
  )

  it.prop(
    "I34 headers give a bounded wait or none",
    {
      headers: Schema.Record(Schema.Literals(names), Schema.Union([Text, Schema.Finite, Schema.Json])),
      status: Schema.Literals([200, 429, 503])
    },
    ({ headers, status }) => {
      isHint(RetryHint.fromHeaders(headers, { nowMillis: now, status }))
      isHint(RetryHint.fromHeaders(new Map(Object.entries(headers)), { nowMillis: now, status }))
    },
    { arbitrary: { runs: 1000 } }
  )

  it.prop("a body gives a bounded wait or none", { body: Schema.Json }, ({ body }) => {
    isHint(RetryHint.fromBody(body))
    isHint(RetryHint.fromBody(JSON.stringify(body)))
    isHint(RetryHint.fromBody({ error: { details: [{ "@type": "google.rpc.RetryInfo", retryDelay: body }] } }))
  })

  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  const cyclic: Array<unknown> = []
  cyclic.push(cyclic)

  it.each([
    ["a revoked proxy", proxy],
    ["a proxy whose every trap throws", new Proxy({}, new Proxy({}, { get: () => () => assert.fail("trap") }))],
    ["a proxy that is everything", new Proxy(() => {}, { get: (_, __, self) => self, apply: (_, self) => self })],
    ["a cyclic list", cyclic],
    ["a record of it", { "retry-after": cyclic, error: cyclic, details: cyclic }],
    ["a record of a revoked proxy", { "retry-after": proxy, error: proxy, details: proxy }],
    ["a null prototype", Object.assign(Object.create(null), { "retry-after": null })],
    ["a bigint", 1n],
    ["a symbol", Symbol("x")],
    ["deep nesting", "[".repeat(60_000)]
  ])("does not throw for %s", (_, junk) => {
    isHint(RetryHint.fromHeaders(junk, { nowMillis: now, status: 429 }))
    isHint(RetryHint.fromBody(junk))
  })
})
