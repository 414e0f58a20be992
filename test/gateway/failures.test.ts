import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { CircuitError, FailoverError } from "effect-resilience"
import { HttpServerResponse } from "effect/http"
import { type Failure, toError, toResponse } from "../../examples/gateway/failures.ts"
import { TargetError } from "../../examples/gateway/targetError.ts"

const answer = (failure: Failure) =>
  Effect.promise(async () => {
    const response = HttpServerResponse.toWeb(toResponse(failure))
    return {
      status: response.status,
      retryAfter: response.headers.get("retry-after"),
      body: await response.json() as { readonly error: Record<string, unknown> }
    }
  })

const refusal = (status: number, body: unknown) =>
  new TargetError({ status, headers: { "set-cookie": "session=1" }, body })

const attempt = (target: string, cause: FailoverError.Attempt["cause"], error: unknown = undefined) => ({
  target,
  cause,
  ran: true,
  afterMillis: 0,
  durationMillis: 1,
  error
})

const exhausted = (attempts: ReadonlyArray<FailoverError.Attempt>, retryAfter?: Duration.Duration) =>
  new FailoverError.FailoverError({
    reason: { _tag: "NoTargetAvailable", route: "chat", attempts, retryAfter },
    cause: attempts[0]?.error
  })

const filtered = { error: { message: "filtered", type: "x", param: null, code: "content_filter", innererror: {} } }

describe("failures", () => {
  it.effect("a refusal is the target's own", () =>
    Effect.gen(function*() {
      const told = yield* answer(refusal(422, filtered))
      assert.deepStrictEqual(told, { status: 422, retryAfter: null, body: filtered })
    }))

  it.effect("a refusal in another form is put into this one", () =>
    Effect.gen(function*() {
      for (
        const [body, message] of [
          [{ object: "error", message: "no" }, "no"],
          [{ detail: "no" }, "no"],
          [{ error: "no" }, "no"],
          ["<html>", "the target answered with a status of 404"],
          [null, "the target answered with a status of 404"]
        ] as const
      ) {
        const told = yield* answer(refusal(404, body))
        assert.deepStrictEqual(told.status, 404)
        assert.deepStrictEqual(told.body, { error: { message, type: "upstream_error", code: null } })
      }
    }))

  it.effect("a refusal with a status of 200 gets another", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* answer(refusal(200, filtered))).status, 400)
    }))

  it.effect("without a target: who was asked, and when to come back", () =>
    Effect.gen(function*() {
      const attempts = [
        attempt("us", "overloaded", refusal(503, { error: { message: "sk-secret" } })),
        attempt("eu", "invalid_request", refusal(400, { error: { message: "sk-secret" } }))
      ]
      const { body, retryAfter, status } = yield* answer(exhausted(attempts, Duration.millis(9001)))
      assert.deepStrictEqual([status, retryAfter], [503, "10"])
      assert.deepStrictEqual(body.error["attempts"], [
        { target: "us", cause: "overloaded" },
        { target: "eu", cause: "invalid_request" }
      ])
      assert.include(String(body.error["message"]), "us: overloaded")
      assert.notInclude(JSON.stringify(body), "sk-secret")
      assert.deepStrictEqual((yield* answer(exhausted(attempts))).retryAfter, "1")
      assert.deepStrictEqual((yield* answer(exhausted(attempts, Duration.zero))).retryAfter, "1")
    }))

  it.effect("a refusal of the last target is answered, and one before it is not", () =>
    Effect.gen(function*() {
      const down = attempt("us", "overloaded", refusal(503, {}))
      for (const cause of ["content_policy", "context_length"] as const) {
        const refused = attempt("eu", cause, refusal(400, filtered))
        assert.deepStrictEqual((yield* answer(exhausted([down, refused]))).body, filtered)
        assert.strictEqual((yield* answer(exhausted([refused, down]))).status, 503)
      }
    }))

  it.effect("has a status for every reason", () =>
    Effect.gen(function*() {
      const statuses = yield* Effect.forEach(
        [
          { _tag: "UnknownRoute", route: "none" },
          { _tag: "NoTargetAllowed", route: "chat" },
          { _tag: "DeadlineExceeded", route: "chat", attempts: [], deadline: Duration.seconds(1) }
        ] as const,
        (reason) => Effect.map(answer(new FailoverError.FailoverError({ reason })), ({ status }) => status)
      )
      assert.deepStrictEqual(statuses, [404, 403, 504])
    }))

  it("names what broke a stream", () => {
    const cut = CircuitError.make({ _tag: "StreamCut", key: "chat/us" })
    const stalled = CircuitError.make({ _tag: "AttemptTimedOut", key: "chat/us", phase: "idle", limit: Duration.zero })
    assert.deepStrictEqual([cut, stalled].map((failure) => toError(failure).code), ["stream_cut", "stream_stalled"])
    assert.notInclude(JSON.stringify([toError(cut), toError(stalled)]), "chat/us")
  })
})
