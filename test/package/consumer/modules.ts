// Every module by its own path is the one that the entry brings, and what is internal has no path.
import { Effect, Layer } from "effect"
import * as core from "effect-resilience"
import { execute, layer } from "effect-resilience/CircuitBreaker"
import { layerMemory } from "effect-resilience/CircuitStore"

const modules: Record<string, unknown> = core
for (const [name, module] of Object.entries(modules)) {
  if (await import(`effect-resilience/${name}`) !== module) throw new Error(`${name} is there twice`)
}

for (const path of ["index", "internal/guard", "ai/GuardedLanguageModel", "redis/internal/port"]) {
  const refusal = await import(`effect-resilience/${path}`).catch((error: { readonly code: string }) => error.code)
  if (refusal !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw new Error(`${path} can be imported`)
}

const program = Effect.succeed("one of each").pipe(
  execute({ key: "model" }),
  Effect.provide(layer().pipe(Layer.provide(layerMemory)))
)

console.log(await Effect.runPromise(program))
