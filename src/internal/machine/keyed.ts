/**
 * What processes of a fleet know from each other of requests that failed: digests, keyed by the key of the circuit, so
 * that one request has another digest in each record. Plain data in, plain data out.
 */
import type { Evidence, Failed, Identity } from "./evidence.ts"

/** A request that failed somewhere in the fleet. */
export interface SharedFailure {
  readonly request: number
  readonly source: number
  readonly firstAt: number
  readonly lastAt: number
  readonly counted: boolean
}

const maxShared = 16

// Of calls without a description and of objects no other process knows.
const isShareable = (digest: number): boolean => Number.isSafeInteger(digest) && digest > 0

const keyedBy = (salt: number, digest: number): number => {
  if (!isShareable(digest)) return digest
  let [high, low] = [Math.floor(digest / 2 ** 32) ^ salt, digest | 0]
  for (let round = 0; round < 4; round++) {
    high = Math.imul(high ^ (low >>> 15), 2_246_822_519) ^ salt
    low = Math.imul(low ^ (high >>> 13), 3_266_489_917)
  }
  return 4_294_967_296 * (2_097_151 & high) + (low >>> 0) + 1
}

/** The number by which a circuit keys digests: all processes agree on it without having read the record. */
export const numberOf = (key: string): number => {
  let number = 0x811c9dc5
  for (let index = 0; index < key.length; index++) number = Math.imul(number ^ key.charCodeAt(index), 16_777_619)
  return number
}

/** The identity of a call as a circuit of this number remembers it. */
export const keyed = (salt: number, identity: Identity): Identity => ({
  call: identity.call,
  request: keyedBy(salt, identity.request),
  source: keyedBy(salt, identity.source)
})

/** Takes in what other processes have seen fail. */
export const learnt = (self: Evidence, others: ReadonlyArray<SharedFailure>): Evidence => {
  const unknown = others.filter(({ request }) => !self.failed.some((one) => one.request === request))
  if (unknown.length === 0) return self
  // Of a call of this process it is none.
  const failed = [...self.failed]
  for (const one of unknown) failed.push({ call: Number.NaN, ...one })
  return { ...self, failed: failed.sort((a, b) => a.lastAt - b.lastAt).slice(-maxShared) }
}

/** What the fleet knows with a request more that failed here. */
export const shared = (
  others: ReadonlyArray<SharedFailure>,
  { counted, firstAt, lastAt, request, source }: Failed
): ReadonlyArray<SharedFailure> => {
  if (!isShareable(request)) return others
  const known = others.find((one) => one.request === request)
  const one = {
    request,
    source,
    firstAt: Math.min(firstAt, known?.firstAt ?? firstAt),
    lastAt,
    counted: counted || known?.counted === true
  }
  return [...others.filter((other) => other !== known), one].slice(-maxShared)
}
