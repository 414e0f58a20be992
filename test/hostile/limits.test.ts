// What a provider or a caller can make the library do, at most.
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit } from "effect"
import { CircuitBreaker, LlmOutcome, LlmStream, type Outcome, RetryHint, TripPolicy } from "effect-resilience"
import { CircuitTest } from "effect-resilience/testing"
import { TestClock } from "effect/testing"

const key = "model"

describe("a wait that nobody would ask for", () => {
  const texts = [
    "1e308",
    "-1",
    "-0",
    "NaN",
    "Infinity",
    "9".repeat(64),
    "9".repeat(100_000),
    "0x7fffffff",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "9999-12-31T23:59:59Z",
    "99999999999999999999",
    "999999h",
    "1970-01-01T00:00:00Z"
  ]
  const headers = [
    "retry-after",
    "retry-after-ms",
    "x-ms-retry-after-ms",
    "x-ratelimit-reset-tokens",
    "ratelimit-reset"
  ]

  /** For how long the circuit turns calls away. */
  const away = Effect.map(CircuitBreaker.state(key), (state) =>
    Duration.toMillis(
      ("retryAfter" in state ? state.retryAfter : "throttledFor" in state ? state.throttledFor : undefined) ??
        Duration.zero
    ))

  it.effect("opens a circuit for no longer than the policy's longest opening, whatever header says it", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      for (const header of headers) {
        for (const text of texts) {
          for (const status of [429, 503]) {
            const error = { status, headers: { [header]: text } }
            yield* Effect.exit(Effect.fail(error).pipe(CircuitBreaker.execute({ key, classify: LlmOutcome.classify })))
            assert.isAtMost(yield* away, 3_600_000, `${header}: ${text.slice(0, 40)}`)
            yield* CircuitBreaker.reset(key)
          }
        }
      }
    }).pipe(Effect.provide(CircuitTest.layer())))

  it.effect("shuts a gate, and opens a circuit, for no longer than that, with any classifier", () =>
    Effect.gen(function*() {
      const waits: ReadonlyArray<unknown> = [
        Duration.infinity,
        Duration.millis(Number.MAX_VALUE),
        Duration.millis(-1),
        Duration.nanos(2n ** 200n),
        Number.NaN,
        -1,
        "1 hour"
      ]
      for (const retryAfter of waits) {
        for (const _tag of ["Throttled", "OpenNow", "Failure"] as const) {
          const classify = () => ({ _tag, kind: "rate_limited", retryAfter }) as Outcome.Outcome
          yield* Effect.exit(Effect.fail("429").pipe(CircuitBreaker.execute({ key, classify })))
          const millis = yield* away
          assert.isTrue(millis >= 0 && millis <= 3_600_000, `${_tag} ${String(retryAfter)}: ${millis}`)
          yield* CircuitBreaker.reset(key)
        }
      }
    }).pipe(Effect.provide(CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1) }))))
})

describe("an error", () => {
  const polluting = JSON.parse(`{
    "__proto__": { "polluted": true }, "constructor": { "prototype": { "polluted": true } },
    "status": 429, "code": "__proto__", "type": "constructor",
    "headers": { "__proto__": "1", "constructor": "1", "retry-after": "1" },
    "error": { "__proto__": { "polluted": true }, "code": "__proto__", "details": [{ "__proto__": { "polluted": true } }] },
    "choices": [{ "__proto__": { "polluted": true }, "delta": { "__proto__": { "polluted": true }, "content": "x" } }]
  }`)

  it("of JSON that names prototypes changes none", () => {
    for (const source of [polluting, JSON.stringify(polluting), { body: JSON.stringify(polluting) }, [polluting]]) {
      LlmOutcome.fromError(source)
      LlmOutcome.explain(Exit.fail(source))
      LlmOutcome.classifyBody(Exit.succeed(source))
      RetryHint.fromBody(source)
      RetryHint.fromHeaders(polluting.headers, { nowMillis: 0 })
      LlmStream.openAi(source)
      LlmStream.effectAi(source)
    }
    assert.isUndefined(Object(Object.create(Object.prototype)).polluted)
    assert.isUndefined(Object([]).polluted)
  })

  it("that goes on for ever where it is looked into is looked into so far and no further", () => {
    const most = 20_000
    let reads = 0
    /** Has another of its kind behind every name, until it was asked too often. */
    const endless = (): unknown =>
      new Proxy({}, {
        get: () => {
          if (++reads > most) throw new RangeError("asked too often")
          return endless()
        }
      })
    LlmOutcome.fromError({ status: 503, error: endless(), cause: endless(), body: endless() })
    assert.isAbove(reads, 0)
    assert.isAtMost(reads, most)
  })

  it("with any number of headers has so many of them read and no more", () => {
    let reads = 0
    const names = Array.from({ length: 100_000 }, (_, index) => `x-${index}`)
    const headers = new Proxy({}, {
      ownKeys: () => names,
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
      get: (_, name) => name === "get" ? undefined : (reads++, "1")
    })
    LlmOutcome.fromError({ status: 429, headers })
    assert.isAbove(reads, 0)
    assert.isBelow(reads, 10_000)
  })
})
