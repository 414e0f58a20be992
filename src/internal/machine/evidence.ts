/**
 * What a circuit remembers of failures that a request can cause by itself, because one request, one call and one source
 * are one piece of evidence. Plain data in, plain data out; times are whole milliseconds of the circuit's clock.
 */

/** The call, the request and the source of a failure or a success. `source` is 0 if the caller named none. */
export interface Identity {
  readonly call: number
  readonly request: number
  readonly source: number
}

/** A request that failed here with a kind that a request can cause. */
export interface Failed extends Identity {
  readonly firstAt: number
  readonly lastAt: number
  /** Whether the circuit counted it. */
  readonly counted: boolean
}

interface Seen {
  readonly id: number
  readonly at: number
}

export interface Evidence {
  /** At most 16, the one that failed last at the end. */
  readonly failed: ReadonlyArray<Failed>
  /** The two requests that were served last, and the two sources that were active last: the newest first. */
  readonly served: ReadonlyArray<Seen>
  readonly sources: ReadonlyArray<Seen>
  /** How many failures in a row counted that are of one source. */
  readonly ofOneSource: { readonly source: number; readonly failures: number }
  /** When the last call came that has no part in the failures. */
  readonly otherCameAt: number
}

export type NotCounted = "repeat" | "same_call" | "one_source"

export const none: Evidence = {
  failed: [],
  served: [],
  sources: [],
  ofOneSource: { source: 0, failures: 0 },
  otherCameAt: -Infinity
}

const maxFailed = 16
/** For how long a failed request is known again, from the end of its last attempt. */
export const rememberMillis = 30_000
/** For how long a request that was served vouches for the target. */
export const vouchMillis = 10_000
/** For how long a source counts as active. */
const activeMillis = 60_000

/**
 * Records a failure. That of a probe (`isProbe`) always counts. `allowance` is how many failures of one source count
 * while another source is active.
 */
export const failed = (
  self: Evidence,
  identity: Identity,
  now: number,
  isProbe: boolean,
  allowance: number
): { readonly evidence: Evidence; readonly notCounted: NotCounted | undefined } => {
  // Those that opened the circuit are remembered until it is closed, because they may not probe it.
  const remembered = isProbe ? self.failed : self.failed.filter(({ lastAt }) => now - lastAt <= rememberMillis)
  const sources = identity.source === 0 ? self.sources : seen(self.sources, identity.source, now)
  const known = remembered.findLast(({ call, request }) => call === identity.call || request === identity.request)
  const notCounted = isProbe
    ? undefined
    : whyNot({ ...self, failed: remembered, sources }, identity, known, now, allowance)
  const entry: Failed = {
    ...identity,
    firstAt: known?.firstAt ?? now,
    lastAt: now,
    counted: notCounted === undefined || known?.counted === true
  }
  return {
    evidence: {
      ...self,
      sources,
      failed: [...remembered.filter((one) => one !== known), entry].slice(-maxFailed),
      ofOneSource: notCounted === undefined
        ? { source: identity.source, failures: inARow(self.ofOneSource, identity.source) }
        : self.ofOneSource
    },
    notCounted
  }
}

const whyNot = (
  self: Evidence,
  { call, source }: Identity,
  known: Failed | undefined,
  now: number,
  allowance: number
): NotCounted | undefined => {
  if (known?.call === call) return "same_call"
  if (known !== undefined && isVouchedFor(self, known, now)) return "repeat"
  return isOneSource(self, source, now, allowance) ? "one_source" : undefined
}

/** Whether the target has served another request since this one first failed, or a moment ago. */
export const isVouchedFor = ({ served }: Evidence, { firstAt, request }: Failed, now: number): boolean =>
  served.some(({ at, id }) => id !== request && (at >= firstAt || now - at <= vouchMillis))

/** Whether another source is active, and only this one fails, as often as one may. */
const isOneSource = ({ ofOneSource, sources }: Evidence, source: number, now: number, allowance: number): boolean =>
  source !== 0 && sources.some(({ at, id }) => id !== source && now - at <= activeMillis) &&
  inARow(ofOneSource, source) > allowance

const inARow = ({ failures, source: former }: Evidence["ofOneSource"], source: number): number =>
  source === former ? failures + 1 : 1

/** Stands for all calls that say nothing of their request: none of them is a repeat of another. */
export const undescribed: Identity = { call: 0, request: 0, source: 0 }

/** Takes in a call that was served. */
export const served = (self: Evidence, { request, source }: Identity, now: number): Evidence => ({
  ...self,
  served: seen(self.served, request, now),
  sources: source === 0 ? self.sources : seen(self.sources, source, now)
})

/** The two that were seen last, the newest first. */
const seen = (those: ReadonlyArray<Seen>, id: number, at: number): ReadonlyArray<Seen> =>
  [{ id, at }, ...those.filter((one) => one.id !== id)].slice(0, 2)

/** Whether a request has a part in the failures that the circuit counted. */
export const hasPart = ({ failed }: Evidence, { call, request }: Identity): boolean =>
  failed.some((one) => one.counted && (one.call === call || one.request === request))

/** Records that a call came while the circuit was not closed. */
export const came = (self: Evidence, identity: Identity, now: number): Evidence =>
  hasPart(self, identity) ? self : { ...self, otherCameAt: now }

/**
 * For how many milliseconds from now a call may not be the probe, because it helped to open the circuit or failed
 * elsewhere with a kind that a request can cause. 0 if it may, as when no other call came for one open time.
 */
export const keptFromProbing = (
  self: Evidence,
  identity: Identity,
  hasFailedElsewhere: boolean,
  now: number,
  openMillis: number
): number => {
  if (!hasFailedElsewhere && !hasPart(self, identity)) return 0
  const lastFailedAt = Math.max(-Infinity, ...self.failed.map(({ lastAt }) => lastAt))
  return Math.max(0, Math.max(self.otherCameAt, lastFailedAt) + openMillis - now)
}
