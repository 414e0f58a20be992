/**
 * What an adaptive policy learns about one circuit: an error rate, which sets the failure threshold, and a recovery
 * time, which sets how long an opening lasts. Rates are in parts per million.
 */
export interface Options {
  readonly failures: number
  readonly minimumFailures: number
  readonly maximumFailures: number
  readonly minimumSamples: number
  readonly alphaPpm: number
  readonly lowPpm: number
  readonly highPpm: number
  readonly hysteresisPpm: number
  readonly halfLifeMillis: number
  readonly recoveryWeightPpm: number
  readonly minimumOpenMillis: number | undefined
  readonly maximumOpenMillis: number | undefined
}

/** What was learnt. `evidence` is in thousandths of a call, because it fades and has to stay an integer. */
export interface Learnt {
  readonly rate: number
  readonly evidence: number
  readonly recordedAt: number
  readonly zone: "middle" | "tight" | "loose"
  readonly recovery: number | undefined
}

export const nothing: Learnt = { rate: 0, evidence: 0, recordedAt: 0, zone: "middle", recovery: undefined }

const million = 1_000_000
const call = 1000

const zoneOf = (options: Options, rate: number, zone: Learnt["zone"]): Learnt["zone"] => {
  const { highPpm, hysteresisPpm, lowPpm } = options
  if (rate >= highPpm || (zone === "tight" && rate >= highPpm - hysteresisPpm)) return "tight"
  if (rate <= lowPpm || (zone === "loose" && rate <= lowPpm + hysteresisPpm)) return "loose"
  return "middle"
}

/** Learns from calls that ended at one time. Of several the order is not known. */
export const learn = (options: Options, self: Learnt, at: number, calls: number, failed: number): Learnt => {
  if (calls === 0) return self
  const elapsed = Math.max(0, at - self.recordedAt)
  const kept = (1 - options.alphaPpm / million) ** calls
  const rate = kept * self.rate + (1 - kept) * failed / calls * million
  return {
    ...self,
    recordedAt: Math.max(at, self.recordedAt),
    evidence: Math.round(self.evidence * 0.5 ** (elapsed / options.halfLifeMillis)) + calls * call,
    rate,
    zone: zoneOf(options, rate, self.zone)
  }
}

/** How many failures in a row open the circuit. */
export const threshold = (options: Options, { evidence, zone }: Learnt): number => {
  const { failures } = options
  const known = evidence >= options.minimumSamples * call
  const picked = known && zone === "tight"
    ? Math.floor(failures / 2)
    : known && zone === "loose"
    ? 2 * failures
    : failures
  return Math.max(1, options.minimumFailures, Math.min(options.maximumFailures, picked))
}

/** Scales a step of the open schedule, given its first step. */
export const openMillis = (options: Options, { recovery }: Learnt, step: number, first: number): number => {
  const { maximumOpenMillis, minimumOpenMillis } = options
  const minimum = minimumOpenMillis ?? Math.min(first / 10, maximumOpenMillis ?? first)
  const maximum = maximumOpenMillis ?? Math.max(first * 10, minimum)
  return Math.max(1, Math.round(Math.min(maximum, Math.max(minimum, recovery ?? first)) * step / first))
}

/** Learns from a recovery how long the dependency was down. */
export const recovered = ({ recoveryWeightPpm }: Options, self: Learnt, outageMillis: number): Learnt => ({
  ...self,
  recovery: self.recovery === undefined
    ? outageMillis
    : Math.round(((million - recoveryWeightPpm) * self.recovery + recoveryWeightPpm * outageMillis) / million)
})

/** Forgets the error rate, keeps the recovery time. */
export const cleared = (self: Learnt): Learnt => ({ ...nothing, recordedAt: self.recordedAt, recovery: self.recovery })

/** What one circuit in memory learns, call by call. */
export interface Adaptive {
  readonly record: (now: number, failed: boolean) => void
  readonly threshold: () => number
  readonly openMillis: (step: number, first: number) => number
  readonly recovered: (outageMillis: number) => void
  readonly clear: () => void
  readonly errorRatePpm: () => number
}

export const make = (options: Options): Adaptive => {
  let learnt = nothing
  return {
    record: (now, failed) => {
      learnt = learn(options, learnt, now, 1, failed ? 1 : 0)
    },
    threshold: () => threshold(options, learnt),
    openMillis: (step, first) => openMillis(options, learnt, step, first),
    recovered: (outageMillis) => {
      learnt = recovered(options, learnt, outageMillis)
    },
    clear: () => {
      learnt = cleared(learnt)
    },
    errorRatePpm: () => Math.round(learnt.rate)
  }
}
