// Mutation testing: `npm run mutation`, and what comes of it in docs/mutation.md. One part at a time, so that a mutant
// of values made at import, for which every test has to run, meets only the tests of its part.
const parts = {
  circuit: [
    "src/TripPolicy.ts",
    "src/internal/machine/*.ts",
    "!src/internal/machine/{evidence,ramp}.ts",
    "src/internal/options/{openSchedule,tripCriteria,compiledPolicy,validation}.ts"
  ],
  llm: [
    "src/Outcome.ts",
    "src/LlmOutcome.ts",
    "src/StreamSignal.ts",
    "src/RetryHint.ts",
    "src/internal/judgement/*.ts",
    "src/internal/untrusted/*.ts"
  ],
  blame: [
    "src/internal/machine/{evidence,ramp}.ts",
    "src/internal/call/lastResort.ts",
    "src/internal/failover/{choice,gateRamp,itinerary,tally}.ts"
  ]
}

const part = process.env.MUTATION ?? "circuit"
if (!Object.hasOwn(parts, part)) throw new Error(`MUTATION is one of ${Object.keys(parts).join(", ")}`)

export default {
  mutate: parts[part],
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  // Forks, because a test sets the time zone of its process.
  vitest: { configFile: "test/mutation/vitest.config.ts", related: false, pool: "forks" },
  coverageAnalysis: "perTest",
  concurrency: 2,
  incremental: true,
  incrementalFile: `reports/mutation/${part}.incremental.json`,
  reporters: ["progress-append-only", "clear-text", "json"],
  jsonReporter: { fileName: `reports/mutation/${part}.json` },
  clearTextReporter: { logTests: false, reportTests: false },
  thresholds: { high: 98, low: 95, break: 95 },
  // Stryker rewrites tsconfig.json with the API of TypeScript, which version 7 no longer has; the tests need no types.
  tsconfigFile: "none",
  ignorePatterns: ["/dist", "/docs", "/dashboards", "/examples", "/reports"],
  warnings: { slow: false }
}
