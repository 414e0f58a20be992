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

export interface Adaptive {
  readonly record: (now: number, failed: boolean) => void
  /** How many failures in a row open the circuit at present. */
  readonly threshold: () => number
  /** Scales a step of the open schedule, given its first step. */
  readonly openMillis: (step: number, first: number) => number
  /** Learns from a recovery how long the dependency was down. */
  readonly recovered: (outageMillis: number) => void
  /** Forgets the error rate, keeps the recovery time. */
  readonly clear: () => void
  readonly errorRatePpm: () => number
}

const million = 1_000_000
// Evidence is counted in thousandths of a call, because it fades and has to stay an integer.
const call = 1000

export const make = (options: Options): Adaptive => {
  const { alphaPpm, failures, highPpm, hysteresisPpm, lowPpm } = options
  let rate = 0
  let evidence = 0
  let recordedAt = 0
  let zone: "middle" | "tight" | "loose" = "middle"
  let recovery: number | undefined

  const zoneOf = (): typeof zone => {
    if (rate >= highPpm || (zone === "tight" && rate >= highPpm - hysteresisPpm)) return "tight"
    if (rate <= lowPpm || (zone === "loose" && rate <= lowPpm + hysteresisPpm)) return "loose"
    return "middle"
  }

  return {
    record: (now, failed) => {
      const elapsed = Math.max(0, now - recordedAt)
      recordedAt = now
      evidence = Math.round(evidence * 0.5 ** (elapsed / options.halfLifeMillis)) + call
      rate = ((million - alphaPpm) * rate + (failed ? alphaPpm * million : 0)) / million
      zone = zoneOf()
    },
    threshold: () => {
      const known = evidence >= options.minimumSamples * call
      const picked = known && zone === "tight"
        ? Math.floor(failures / 2)
        : known && zone === "loose"
        ? 2 * failures
        : failures
      return Math.max(1, options.minimumFailures, Math.min(options.maximumFailures, picked))
    },
    openMillis: (step, first) => {
      const { maximumOpenMillis, minimumOpenMillis } = options
      const minimum = minimumOpenMillis ?? Math.min(first / 10, maximumOpenMillis ?? first)
      const maximum = maximumOpenMillis ?? Math.max(first * 10, minimum)
      return Math.max(1, Math.round(Math.min(maximum, Math.max(minimum, recovery ?? first)) * step / first))
    },
    recovered: (outageMillis) => {
      recovery = recovery === undefined
        ? outageMillis
        : Math.round(
          ((million - options.recoveryWeightPpm) * recovery + options.recoveryWeightPpm * outageMillis) / million
        )
    },
    clear: () => {
      rate = evidence = 0
      zone = "middle"
    },
    errorRatePpm: () => Math.round(rate)
  }
}
