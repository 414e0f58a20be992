/** What a program that uses the library carries of it. */
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

const entry = fileURLToPath(new URL("../../src/index.ts", import.meta.url))
const main = "\0main"

/** Bytes of a program, bundled, minified and gzipped, without its peers and its own imports of them. */
export const bundledBytes = async (program: string): Promise<number> => {
  const bundle = await rolldown({
    input: main,
    external: /^effect(\/|$)/,
    plugins: [{
      name: "program",
      resolveId: (id) => id === main ? main : id === "effect-resilience" ? entry : null,
      load: (id) => id === main ? program : null
    }],
    // As package.json says.
    treeshake: { moduleSideEffects: false }
  })
  const { output } = await bundle.generate({ minify: true })
  await bundle.close()
  return gzipSync(output[0].code, { level: 9 }).length
}

const guarded = (modules: ReadonlyArray<string>, rest: string) => `
  import { Effect, Layer } from "effect"
  import { ${["CircuitBreaker", "CircuitStore", ...modules].join(", ")} } from "effect-resilience"
  const call = Effect.succeed(1).pipe(CircuitBreaker.execute({ key: "model" }))
  ${rest}
`

/** Programs, from the smallest to all there is, and how many bytes of the library each may carry. */
export const programs = [
  {
    name: "a guarded call, memory store",
    limit: 16_400,
    program: guarded(
      ["TripPolicy"],
      `const Breaker = CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(5) })
       Effect.runPromise(call.pipe(Effect.provide(Breaker), Effect.provide(CircuitStore.layerMemory)))`
    )
  },
  {
    name: "… judged as an LLM call, with retries",
    limit: 38_650,
    program: guarded(
      ["LlmOutcome", "LlmRetry"],
      `const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify })
       Effect.runPromise(call.pipe(
         Effect.retry(LlmRetry.policy({ attempts: 4 })),
         Effect.provide(Breaker),
         Effect.provide(CircuitStore.layerMemory)
       ))`
    )
  },
  {
    name: "… with failover",
    limit: 48_700,
    program: guarded(
      ["FailoverRoute", "FailoverRouter", "LlmOutcome", "LlmRetry"],
      `const Breaker = CircuitBreaker.layer({ classify: LlmOutcome.classify })
       const Router = FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] })
       Effect.runPromise(FailoverRouter.execute("chat", () => call).pipe(
         Effect.retry(LlmRetry.policy({ attempts: 4 })),
         Effect.provide(Layer.provideMerge(Router, Layer.provideMerge(Breaker, CircuitStore.layerMemory)))
       ))`
    )
  },
  { name: "everything but the entries", limit: 75_500, program: "export * from \"effect-resilience\"" }
] as const
