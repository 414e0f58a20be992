/** What a process announces of a call that it has reported, beside the transition that follows. */
import type { CircuitEvent } from "../../CircuitEvent.ts"
import * as announce from "../circuit/announce.ts"
import type { Scene } from "../circuit/describe.ts"
import type { CompiledPolicy } from "../options/compiledPolicy.ts"
import type { Ended, Settled } from "./settlement.ts"

export const eventsOf = (
  scene: Scene,
  { failureRateThresholdPpm }: CompiledPolicy,
  slowerThanMillis: number,
  { durationMillis, interrupted, outcome, permit }: Ended,
  { after, before, isRepeat, judgement, latencyTripped }: Settled
): ReadonlyArray<CircuitEvent> => {
  if (isRepeat) return [announce.repeat(after, scene, outcome)]
  const spoke = outcome._tag === "Success" || outcome._tag === "Failure"
  return announce.settled(scene, {
    ...judgement,
    before,
    after,
    probe: permit.probe > 0,
    outcome,
    interrupted,
    slowMillis: spoke && durationMillis > slowerThanMillis ? durationMillis : undefined,
    slowerThanMillis,
    failureRateThresholdPpm,
    latencyTripped
  })
}
