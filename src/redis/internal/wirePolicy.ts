/** A policy as JSON, in the form that the script reads. */
import { Hash } from "effect"
import type { CompiledPolicy } from "../../internal/options/compiledPolicy.ts"

const written = new WeakMap<CompiledPolicy, string>()

export const wirePolicy = (policy: CompiledPolicy): string => {
  const known = written.get(policy)
  if (known !== undefined) return known
  const windows = policy.criteria.map((criterion) => ("windowMillis" in criterion ? criterion.windowMillis ?? 0 : 0))
  const { maxHintMillis, probes, rampMillis, successesToClose } = policy.rules
  const text = JSON.stringify({
    fingerprint: (Hash.string(policy.fingerprint) >>> 0).toString(16),
    probes,
    successesToClose,
    rampMillis,
    maxHintMillis,
    windowMillis: Math.max(0, ...windows),
    criteria: policy.criteria
  })
  written.set(policy, text)
  return text
}
