import { Context } from "effect"
import type { CircuitPolicy } from "effect-resilience"
import { type CompiledPolicy, compilePolicy } from "../../src/internal/options/compiledPolicy.ts"

export const compiled = (policy: CircuitPolicy.CircuitPolicy): CompiledPolicy => compilePolicy(policy, Context.empty())
