// Every breaker that README, documents, doc comments and examples show is one that a user may copy: callers whose
// prompts are too long must not take the provider from everybody.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { CircuitBreaker, CircuitStore, LlmOutcome, TripPolicy } from "effect-resilience"
import { fencesOf } from "../../scripts/fences.ts"
import { documents, list, read, sources } from "./documents.ts"

interface Shown {
  readonly where: string
  /** The policy as it is written, empty where there is none. */
  readonly policy: string
}

/** The policies of the breaker layers that a program builds. */
const policiesIn = (code: string): ReadonlyArray<string> =>
  Array.from(code.matchAll(/(?<![\w.])CircuitBreaker\.layer\(/g), ({ 0: { length }, index }) => {
    let end = index + length
    for (let depth = 1; depth > 0; end++) depth += code[end] === "(" ? 1 : code[end] === ")" ? -1 : 0
    return code.slice(index + length, end - 1)
  })

const programs = [
  ...[...documents, ...Array.from(sources.keys(), (path) => `src/${path}`)].flatMap((path) =>
    fencesOf(path).map(({ code, line }) => ({ where: `${path}:${line}`, code }))
  ),
  ...list("examples").filter((path) => path.endsWith(".ts")).map((path) => ({ where: path, code: read(path) }))
]

const shown: ReadonlyArray<Shown> = programs
  .flatMap(({ code, where }) => policiesIn(code).map((policy) => ({ where, policy })))
  // The gateway's policy has a name, and its route judges.
  .filter(({ policy }) => policy === "" || policy.startsWith("{"))

const evaluated = (policy: string) =>
  // oxlint-disable-next-line no-new-func, no-implied-eval
  new Function("LlmOutcome", "TripPolicy", `return (${policy || "{}"})`)(LlmOutcome, TripPolicy)

/** Of another caller each time. */
const tooLong = () => ({
  status: 400,
  error: {
    type: "invalid_request_error",
    code: "context_length_exceeded",
    message: "This model's maximum context length is 8192 tokens."
  }
})

describe("a breaker that is shown", () => {
  it.effect.each(shown.map(({ policy, where }) => [where, policy] as const))(
    "serves the next caller after prompts that are too long: %s",
    ([, policy]) => {
      const guarded = CircuitBreaker.execute({ key: "model" })
      return Effect.gen(function*() {
        for (let prompts = 0; prompts < 10; prompts++) {
          const refused = Effect.fail(tooLong())
          assert.deepStrictEqual(yield* Effect.exit(refused.pipe(guarded)), Exit.fail(tooLong()))
        }
        assert.strictEqual(yield* Effect.succeed("hello").pipe(guarded), "hello")
      }).pipe(
        Effect.provide(CircuitBreaker.layer(evaluated(policy)).pipe(Layer.provide(CircuitStore.layerMemory)))
      )
    }
  )

  it("is found in every kind of text", () => {
    for (const place of ["README.md", "src/CircuitBreaker.ts", "src/FailoverRouter.ts", "examples/quick-start.ts"]) {
      assert.isTrue(shown.some(({ where }) => where.startsWith(place)), place)
    }
    assert.isAbove(shown.length, 25)
  })
})
