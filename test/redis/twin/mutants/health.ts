/** Faults of what is remembered and learnt, which random runs find, and those of what only a fleet does with it. */
import { Effect } from "effect"
import { compareRuns } from "../randomRun.ts"
import { records } from "../scenarios/records.ts"
import { windows } from "../scenarios/windows.ts"
import type { Mutants } from "./Mutants.ts"

export const ofHealth: ReadonlyArray<Mutants> = [
  {
    check: (script) => Effect.runPromise(compareRuns(script, { runs: 600, size: 100, seed: 1, maxShrinks: 0 })),
    faults: [
      ["a slow probe closes", `or (verdict.outcome == "Success" and verdict.slow)`, ""],
      [
        "windows survive a transition",
        "before.generation then clearHealth(false) end\n  if",
        "before.generation then end\n  if"
      ],
      ["windows survive what would have opened", "c.openings > before.openings then clearHealth(false)", "false then"],
      ["a reset forgets nothing learnt", `clearHealth(c.reason == "reset")`, "clearHealth(false)"],
      [
        "a count window holds a call more",
        "part.calls - criterion.windowCalls)",
        "part.calls - criterion.windowCalls - 1)"
      ],
      ["clean calls leave all at once", "if first[3] == 0 then", "if false then"],
      ["a time window holds calls longer", "first[1] >= criterion.windowMillis", "first[1] > criterion.windowMillis"],
      ["a rate has to be above its threshold", "1000000 >= criterion.thresholdPpm", "1000000 > criterion.thresholdPpm"],
      ["slow begins too early", "Millis > criterion.slowerThanMillis", "Millis >= criterion.slowerThanMillis"],
      ["a learnt rate is rounded", `"%.17g"`, `"%.6g"`],
      ["evidence does not fade", "0.5 ^ (elapsed / criterion.halfLifeMillis)", "1"],
      ["zones have no hysteresis", "criterion.highPpm - criterion.hysteresisPpm", "criterion.highPpm"],
      ["no outage is learnt from", "then recovered(down) end", "then end"],
      ["a hold is learnt from", ` and c.held == "" then recovered`, " then recovered"]
    ]
  },
  {
    check: records["a policy starts with windows of its own, and the streak goes on"],
    faults: [["another policy's windows are taken over", "texts[1] == policy.fingerprint, 1", "true, 1"]]
  },
  {
    check: windows["a batch is judged once, after the last of its calls"],
    faults: [[
      "a batch is judged by its calls",
      "local unhealthy = arg.calls > 0 and recordCalls(arg.calls, false, 0)",
      "local unhealthy = false for _ = 1, arg.calls do unhealthy = recordCalls(1, false, 0) or unhealthy end"
    ]]
  },
  {
    check: windows["what a batch opens, the call after it finds open"],
    faults: [[
      "a call counts after the batch that opened",
      `arg.outcome ~= "" and c.generation == before.generation`,
      `arg.outcome ~= ""`
    ]]
  },
  {
    check: windows["a batch larger than its window leaves nothing but clean calls"],
    faults: [["a large batch is cut short", "criterion.windowCalls + room)", "room)"]]
  },
  {
    check: windows["a window of ten thousand takes no more room than a small one"],
    faults: [
      ["a long window keeps every millisecond", "now - now % math.ceil(criterion.windowMillis / 64)", "now"],
      ["a large window keeps smaller slots", "criterion.windowCalls / 64)", "criterion.windowCalls / 640)"]
    ]
  }
]
