/** One call to the dependency as it knows it itself: whether it ran, how it ended, and how long it took. */
import { Effect, Exit } from "effect"
import { CircuitError } from "effect-resilience"

export class Attempt {
  ran = 0
  running = 0
  millis = 0
  exit: Exit.Exit<unknown, unknown> | undefined
  private readonly onBegin: () => void

  constructor(onBegin: () => void = () => {}) {
    this.onBegin = onBegin
  }

  readonly begin = (): number => {
    this.ran++
    this.onBegin()
    this.running++
    return performance.now()
  }

  readonly end = (startedAt: number, exit: Exit.Exit<unknown, unknown>): void => {
    this.running--
    this.millis += performance.now() - startedAt
    this.exit = exit
  }

  /** The effect itself, watched. */
  watch<A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        const startedAt = this.begin()
        return Effect.onExit(restore(self), (exit) => Effect.sync(() => this.end(startedAt, exit)))
      })
    )
  }
}

/** How a call ended for its caller, and what is wrong with that. */
export interface Verdict {
  readonly result: string
  readonly wrong?: string | undefined
  /** How long the caller waited for anybody but the dependency, where that is known. */
  readonly addedMillis?: number | undefined
}

/**
 * Compares what a caller got with what the dependency gave. `left` tells that the caller interrupted the call, and
 * `limits` what else may end it.
 */
export const compare = (
  { exit: own, ran, running }: Attempt,
  exit: Exit.Exit<unknown, unknown>,
  { left = false, limits = [] }: {
    readonly left?: boolean | undefined
    readonly limits?: ReadonlyArray<CircuitError.Reason["_tag"]> | undefined
  } = {}
): Verdict => {
  if (ran > 1) return { result: "ran twice", wrong: `it ran ${ran} times` }
  if (running > 0) return { result: "left running", wrong: "it still runs" }
  if (Exit.isSuccess(exit)) {
    const same = own !== undefined && Exit.isSuccess(own) && own.value === exit.value
    return { result: "success", wrong: same ? undefined : "the value is not the dependency's" }
  }
  const error = errorOf(exit)
  if (CircuitError.isCircuitBreakerError(error) && error !== errorOf(own)) {
    const { isRejection, reason } = error
    if (isRejection) return { result: reason._tag, wrong: ran === 0 ? undefined : "it was rejected, and ran" }
    const expected = ran === 1 && limits.includes(reason._tag)
    return { result: reason._tag, wrong: expected ? undefined : `nothing limits it, but ${reason._tag}` }
  }
  if (left) return { result: "interrupted" }
  if (own === undefined || Exit.isSuccess(own)) return { result: "changed", wrong: `${exit} in place of ${own}` }
  if (error !== undefined) {
    return { result: "failure", wrong: error === errorOf(own) ? undefined : "the error is not the dependency's" }
  }
  const same = defectOf(exit) === defectOf(own) && Exit.hasInterrupts(exit) === Exit.hasInterrupts(own)
  return { result: Exit.hasDies(exit) ? "defect" : "gave up", wrong: same ? undefined : `${exit} in place of ${own}` }
}

const errorOf = (exit: Exit.Exit<unknown, unknown> | undefined): unknown => {
  const error = exit === undefined ? undefined : Exit.findError(exit)
  return error?._tag === "Success" ? error.success : undefined
}

const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  const defect = Exit.findDefect(exit)
  return defect._tag === "Success" ? defect.success : undefined
}
