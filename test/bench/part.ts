/** One part of the benchmark, in a process of its own: no part meets the heap or the compiled code of another. */
import { Effect, type Scope } from "effect"
import type { Findings } from "./findings.ts"
import { isPart, type Part } from "./parts.ts"

// Each is loaded only where it runs.
const parts: Record<Part, () => Promise<Effect.Effect<Findings, never, Scope.Scope>>> = {
  calls: () => import("./calls/calls.ts").then(({ calls }) => calls),
  growth: () => import("./growth/growth.ts").then(({ growth }) => growth),
  memory: () => import("./memory/memory.ts").then(({ memory }) => memory),
  redis: () => import("./redis/redis.ts").then(({ redis }) => redis),
  size: () => import("./size.ts").then(({ size }) => size)
}

const name = process.argv[2] ?? ""
if (!isPart(name) || process.send === undefined) throw new Error("started by bench.ts only")

const ended = () => process.exit()
process.once("disconnect", ended)
const findings = await Effect.runPromise(Effect.scoped(await parts[name]()))
process.send(findings, () => {
  process.off("disconnect", ended)
  process.disconnect()
})
