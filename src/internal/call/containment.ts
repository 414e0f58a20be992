/** Runs classifiers of users: whatever they do, the call keeps its result and its permit is settled. */
import { Duration } from "effect"
import * as Outcome from "../../Outcome.ts"
import { wallMillis } from "../clock/time.ts"
import { nameOf } from "../observers/hub.ts"
import type { Call } from "./call.ts"

/** What a classifier says, or `otherwise` if it throws. */
export const contained = <A>(call: Call, classify: () => A, otherwise: A): A => {
  try {
    return classify()
  } catch (error) {
    return classifierFailed(call, error, otherwise)
  }
}

export const classifierFailed = <A>({ circuit, clock, hub }: Call, error: unknown, otherwise: A): A => {
  const failures = hub.counted("classifier", circuit.key)
  if (failures !== undefined && hub.listening) {
    hub.announce({
      event: "classify.failed",
      key: circuit.key,
      at: wallMillis(clock),
      error: nameOf(error),
      failures
    })
  }
  return otherwise
}

// Checks what the types promise, because casts and JavaScript can break it.
export const checked = (outcome: Outcome.Outcome): Outcome.Outcome => {
  if (outcome._tag === "Success") return outcome
  if (!Object.hasOwn(Outcome.outcomes, outcome._tag)) {
    throw new TypeError("classify returned something that is not an Outcome")
  }
  const hint = "retryAfter" in outcome ? outcome.retryAfter : undefined
  return knownKinds.has(outcome.kind) && (hint === undefined || Duration.isDuration(hint))
    ? outcome
    : Object.assign({}, outcome, {
      kind: knownKinds.has(outcome.kind) ? outcome.kind : "unknown",
      retryAfter: Duration.isDuration(hint) ? hint : undefined
    })
}

const knownKinds = new Set<string>(Outcome.kinds)

export const callerError = Outcome.ignored("caller_error")
