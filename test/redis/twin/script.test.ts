import { describe, it } from "@effect/vitest"
import { circuitLua } from "../../../src/redis/internal/circuitScript.ts"
import { malformed } from "./scenarios/arguments.ts"
import { clock } from "./scenarios/clock.ts"
import { expiry } from "./scenarios/expiry.ts"
import { corrupt } from "./scenarios/junk.ts"
import { merging } from "./scenarios/merging.ts"
import { messages } from "./scenarios/messages.ts"
import { operators } from "./scenarios/operators.ts"
import { probes } from "./scenarios/probes.ts"
import { records } from "./scenarios/records.ts"
import { ownRedis, Script } from "./script.ts"

const script = await Script.load(await ownRedis(), circuitLua)

for (
  const [subject, scenarios] of Object.entries({
    clock,
    corrupt,
    expiry,
    malformed,
    merging,
    messages,
    operators,
    probes,
    records
  })
) {
  describe(`the script: ${subject}`, () => {
    for (const [name, scenario] of Object.entries(scenarios)) it(name, () => scenario(script))
  })
}
