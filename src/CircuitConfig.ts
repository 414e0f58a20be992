/**
 * A policy read from the environment.
 *
 * @since 0.1.0
 */
import { Config, ConfigProvider, Effect, Option } from "effect"
import type { CircuitPolicy } from "./CircuitPolicy.ts"
import * as TripPolicy from "./TripPolicy.ts"

/**
 * Reads a policy from settings under a prefix; a setting that is absent keeps its default. Durations are written
 * like `30 seconds`.
 *
 * | setting | field |
 * | --- | --- |
 * | `CIRCUIT_TRIP_POLICY` | `consecutive` (if only the failures are set), `failure_rate`, `slow_call_rate` or `adaptive` |
 * | `CIRCUIT_FAILURES` | failures in a row, for `consecutive` and `adaptive` |
 * | `CIRCUIT_THRESHOLD` | rate that opens, above 0 and up to 1, for the two rates |
 * | `CIRCUIT_WINDOW` | number of calls (`100`) or a duration (`30 seconds`), for the two rates |
 * | `CIRCUIT_MINIMUM_CALLS` | calls below which a rate is unknown |
 * | `CIRCUIT_SLOWER_THAN` | what `slow_call_rate` calls slow |
 * | `CIRCUIT_OPEN_DURATION`, `CIRCUIT_MAX_OPEN_DURATION` | `openDuration`, `maxOpenDuration` |
 * | `CIRCUIT_PROBES`, `CIRCUIT_SUCCESSES_TO_CLOSE`, `CIRCUIT_PROBE_LEASE` | `probes`, `successesToClose`, `probeLease` |
 * | `CIRCUIT_RAMP`, `CIRCUIT_ATTEMPT_TIMEOUT` | `ramp`, `attemptTimeout` |
 *
 * @category constructors
 * @since 0.1.0
 */
export const policy = (prefix = "CIRCUIT"): Config.Config<CircuitPolicy> =>
  Config.all({
    kind: optional(Config.Literals(["consecutive", "failure_rate", "slow_call_rate", "adaptive"], "TRIP_POLICY")),
    failures: optional(Config.Number("FAILURES")),
    threshold: optional(Config.Number("THRESHOLD")),
    window: optional(Config.String("WINDOW")),
    minimumCalls: optional(Config.Number("MINIMUM_CALLS")),
    slowerThan: optional(Config.Duration("SLOWER_THAN")),
    openDuration: optional(Config.Duration("OPEN_DURATION")),
    maxOpenDuration: optional(Config.Duration("MAX_OPEN_DURATION")),
    probes: optional(Config.Number("PROBES")),
    successesToClose: optional(Config.Number("SUCCESSES_TO_CLOSE")),
    probeLease: optional(Config.Duration("PROBE_LEASE")),
    ramp: optional(Config.Duration("RAMP")),
    attemptTimeout: optional(Config.Duration("ATTEMPT_TIMEOUT"))
  }).pipe(
    Config.nested(prefix),
    Config.mapEffect(
      (
        { failures, kind, minimumCalls, slowerThan, threshold, window: text, ...others }
      ): Effect.Effect<CircuitPolicy, Config.ConfigError> => {
        const rest: CircuitPolicy = Object.fromEntries(
          Object.entries(others).filter(([, value]) => value !== undefined)
        )
        const window = text === undefined ? undefined : /^\d+$/.test(text) ? Number(text) : text as TripPolicy.Window
        switch (kind) {
          case undefined:
            if ((threshold ?? window ?? minimumCalls ?? slowerThan) !== undefined) {
              return missing(`${prefix}_TRIP_POLICY must name a rate for the settings of one to have a meaning`)
            }
            return Effect.succeed(
              failures === undefined ? rest : { ...rest, tripPolicy: TripPolicy.consecutive(failures) }
            )
          case "consecutive":
            return Effect.succeed({ ...rest, tripPolicy: TripPolicy.consecutive(failures ?? 3) })
          case "adaptive":
            return Effect.succeed({ ...rest, tripPolicy: TripPolicy.adaptive({ failures }) })
          case "failure_rate":
          case "slow_call_rate": {
            if (threshold === undefined || window === undefined) {
              return missing(`${prefix}_THRESHOLD and ${prefix}_WINDOW must be set for the trip policy "${kind}"`)
            }
            const rate = { threshold, window, minimumCalls }
            if (kind === "failure_rate") return Effect.succeed({ ...rest, tripPolicy: TripPolicy.failureRate(rate) })
            return slowerThan === undefined
              ? missing(`${prefix}_SLOWER_THAN must be set for the trip policy "${kind}"`)
              : Effect.succeed({ ...rest, tripPolicy: TripPolicy.slowCallRate({ ...rate, slowerThan }) })
          }
        }
      }
    )
  )

const optional = <A>(config: Config.Config<A>) => Config.map(Config.option(config), Option.getOrUndefined)

const missing = (message: string) => Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message })))
