/** Judges the answers of a model, but not the failures of tool handlers, which say nothing about the provider. */
import { type Cause, Exit } from "effect"
import { LanguageModel } from "effect/ai"
import type { Classify } from "../../CircuitPolicy.ts"
import { property } from "../../internal/untrusted/values.ts"
import * as LlmStream from "../../LlmStream.ts"
import * as Outcome from "../../Outcome.ts"
import { alive, type ClassifyPart, content, failed, waiting } from "../../StreamSignal.ts"

export interface Judgement {
  readonly classify: Classify
  readonly classifyPart: ClassifyPart<unknown>
}

/** Lets a classifier of exits judge whole answers, parts of streams and failed handlers. */
export const judgementBy = (classify: Classify): Judgement => {
  const classifyPart: ClassifyPart<unknown> = (part) => {
    if (part === busy) return waiting
    const type = property(part, "type")
    // A tool call is content: the time until its handler begins is the provider's, and the handler itself is watched.
    if (part === idle || type === "tool-call") return content
    const signal = LlmStream.effectAi(part)
    return signal._tag === "Failed"
      ? failed(classify(Exit.fail(type === "error" ? property(part, "error") : part)))
      : signal
  }
  return {
    classifyPart,
    classify: (exit) => {
      if (Exit.isFailure(exit)) return errorsOf(exit.cause).some(isHandlerFailure) ? callerError : classify(exit)
      const parts = exit.value instanceof LanguageModel.GenerateTextResponse ? exit.value.content : []
      const finish = parts.find((part) => part.type === "finish")
      const signal = finish === undefined ? alive : classifyPart(finish)
      return "outcome" in signal && signal.outcome._tag !== "Success" ? signal.outcome : classify(exit)
    }
  }
}

// Signals to the guard of a stream that handlers begin and end. The caller never gets them.
export const busy = { type: "~busy" }
export const idle = { type: "~idle" }

/** Wraps the failure of a tool handler, so that no classifier counts it against the provider. */
export class HandlerFailure {
  readonly _tag = "~HandlerFailure"
  readonly cause: Cause.Cause<unknown>

  constructor(cause: Cause.Cause<unknown>) {
    this.cause = cause
  }
}

export const isHandlerFailure = (error: unknown): error is HandlerFailure => error instanceof HandlerFailure

/** The errors and defects of a cause. */
export const errorsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> =>
  cause.reasons.flatMap((reason) =>
    reason._tag === "Fail" ? [reason.error] : reason._tag === "Die" ? [reason.defect] : []
  )

const callerError = Outcome.ignored("caller_error")
