/** One call as the circuits know it: who it is, found out only when a circuit has to know. */
import { type Fiber, Schedule } from "effect"
import type { Description, Evidence, Input } from "../../Evidence.ts"
import type { Identity } from "../machine/evidence.ts"
import { digest, unique } from "./digest.ts"

export const TypeId = "~effect-resilience/Evidence"

export class CallEvidence implements Evidence {
  readonly [TypeId] = TypeId
  /** The key of the circuit at which the call first failed with a kind that a request can cause. */
  failedAt: string | undefined
  private readonly description: Description | (() => Description)
  private readonly repeated: Identity | undefined
  private found: Identity | undefined

  constructor(description: Description | (() => Description), repeated?: Identity | undefined) {
    this.description = description
    this.repeated = repeated
  }

  /** Whether it is known without running a function of the caller's. */
  get isAtHand(): boolean {
    return typeof this.description !== "function" || this.found !== undefined
  }

  /** Runs the caller's function, which may throw. */
  get identity(): Identity {
    return this.found ??= this.find()
  }

  private find(): Identity {
    const call = unique()
    const { request, source } = typeof this.description === "function" ? this.description() : this.description
    return {
      call,
      request: request === undefined ? this.repeated?.request ?? call : digest(request),
      source: source === undefined ? this.repeated?.source ?? 0 : digest(source)
    }
  }
}

const undescribed: Description = {}

/** The evidence of a call: given, described, or that of the attempt which `Effect.retry` repeats. */
export const evidenceOf = (
  given: Input | undefined,
  token: unknown,
  fiber: Fiber.Fiber<unknown, unknown>
): CallEvidence => {
  if (given instanceof CallEvidence) return given
  const { attempt, input } = fiber.getRef(Schedule.CurrentMetadata)
  const description = (given ?? undescribed) as Exclude<Input, Evidence>
  return new CallEvidence(description, attempt === 0 ? undefined : retried(input, token))
}

interface Note {
  readonly identity: Identity
  readonly token: unknown
}

// By error, because that is what a retry knows of the attempt before it.
const notes = new WeakMap<object, Note>()

/** Notes of which request an error is. `token` is what a retry runs again: a loop over other calls is no retry. */
export const noteAttempt = (error: unknown, { identity }: CallEvidence, token: unknown): void => {
  if (typeof error === "object" && error !== null) notes.set(error, { identity, token })
}

const retried = (error: unknown, token: unknown): Identity | undefined => {
  const note = typeof error === "object" && error !== null ? notes.get(error) : undefined
  return note?.token === token ? note?.identity : undefined
}
