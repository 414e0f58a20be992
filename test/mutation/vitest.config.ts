import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"
import base from "../../vitest.config.ts"

// The fast and pure tests that judge a part, the most telling first: a mutant is dead with the first test that fails.
const judges: Readonly<Record<string, ReadonlyArray<string>>> = {
  circuit: [
    "machine/Circuit",
    "options/TripPolicy",
    "options/compiledPolicy",
    "machine/windows",
    "machine/adaptive",
    "options/validation"
  ],
  llm: [
    "judgement/LlmOutcome.table",
    "judgement/LlmOutcome",
    "options/Outcome",
    "judgement/signals",
    "hostile/untrusted",
    "judgement/RetryHint",
    "judgement/LlmStream"
  ],
  blame: [
    "machine/evidence",
    "failover/choice",
    "failover/itinerary",
    "failover/pace",
    "call/lastResort",
    "failover/evidence",
    "failover/gates",
    "failover/order",
    "failover/transitions",
    "failover/failback",
    "failover/exhaustion",
    "failover/probes"
  ]
}

const tests = (judges[process.env["MUTATION"] ?? ""] ?? Object.values(judges).flat()).map((name) =>
  `/test/${name}.test.ts`
)

class InOrder extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const place = ({ moduleId }: TestSpecification) => tests.findIndex((name) => moduleId.endsWith(name))
    return files.toSorted((a, b) => place(a) - place(b))
  }
}

export default defineConfig({
  resolve: base.resolve!,
  test: {
    include: tests.map((name) => name.slice(1)),
    sequence: { sequencer: InOrder },
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 30_000
  }
})
