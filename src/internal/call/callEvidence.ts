/** The identity of one call, computed only when a circuit asks for it. */
import { type Fiber, Schedule } from "effect"
import type { Evidence } from "../../Evidence.ts"
import type { Identity } from "../machine/evidence.ts"
import { formOf, invalid } from "../options/validation.ts"

export const TypeId = "~effect-resilience/Evidence"

let calls = 0

export class CallEvidence implements Evidence {
  readonly [TypeId] = TypeId
  /** The key of the circuit at which the call first failed with a kind that a request can cause. */
  failedAt: string | undefined
  /** Says which request the call is, and whose. Runs code of the caller's, so it may throw. */
  private readonly identify: (call: number) => Identity
  /** Whether that is costly, so that a call that is served is not asked for it without a need. */
  readonly isLazy: boolean
  private found: Identity | undefined

  constructor(identify: (call: number) => Identity = undescribed, isLazy = false) {
    this.identify = identify
    this.isLazy = isLazy
  }

  /** Whether it says nothing but that the call is one: not of the caller's, and of no attempt before. */
  get isUndescribed(): boolean {
    return this.identify === undescribed
  }

  get identity(): Identity {
    // Negative, so that it is never the digest of a request.
    return this.found ??= this.identify(--calls)
  }
}

/** The evidence that a caller gives with a call. */
export const givenEvidence = (evidence: Evidence | undefined): CallEvidence | undefined =>
  evidence === undefined || evidence instanceof CallEvidence
    ? evidence
    : invalid("evidence", shape(evidence), "made by Evidence.make")

/** Says what a description is, in place of what a prompt may be in. */
export const shape = (value: unknown): unknown => typeof value === "string" ? "a text" : formOf(value)

const undescribed = (call: number): Identity => ({ call, request: call, source: 0 })

/** The evidence of a call without any of its own: of the request that `Effect.retry` runs again, if it does. */
export const ownEvidence = (token: unknown, fiber: Fiber.Fiber<unknown, unknown>): CallEvidence => {
  const { attempt, input } = fiber.getRef(Schedule.CurrentMetadata)
  const note = attempt > 0 && typeof input === "object" && input !== null ? notes.get(input) : undefined
  return new CallEvidence(
    note !== undefined && note.token === token ? (call) => ({ ...note.identity, call }) : undefined
  )
}

// By error, because that is what a retry knows of the attempt before it. The token is what it runs again, because a
// loop over other calls is no retry.
const notes = new WeakMap<object, { readonly identity: Identity; readonly token: unknown }>()

/** Lets a retry with this error be recognised as the same request. */
export const noteAttempt = (error: unknown, { identity }: CallEvidence, token: unknown): void => {
  if (typeof error === "object" && error !== null) notes.set(error, { identity, token })
}
