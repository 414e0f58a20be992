/**
 * A policy read from the environment.
 *
 * @since 0.1.0
 */
import { Config, Context, Duration } from "effect"
import type { CircuitPolicy } from "./CircuitPolicy.ts"
import { compilePolicy } from "./internal/options/compiledPolicy.ts"
import { setting, underPrefix } from "./internal/options/settings.ts"
import { invalid } from "./internal/options/validation.ts"
import * as TripPolicy from "./TripPolicy.ts"

/**
 * Reads a policy from settings under a prefix; a setting that is absent keeps its default. Durations are written
 * like `30 seconds`. A setting that breaks its rule is a `ConfigError` that names its variable, the rule and the value.
 *
 * | setting | field |
 * | --- | --- |
 * | `CIRCUIT_TRIP_POLICY` | `consecutive`, `failure_count`, `failure_rate`, `slow_call_rate` or `adaptive` |
 * | `CIRCUIT_FAILURES` | failures in a row, or in the window of `failure_count`; by itself: `consecutive` |
 * | `CIRCUIT_THRESHOLD` | rate that opens, above 0 and up to 1, for the two rates |
 * | `CIRCUIT_WINDOW` | a duration (`30 seconds`) or, for the two rates only, a number of calls (`100`) |
 * | `CIRCUIT_MINIMUM_CALLS` | calls below which a rate is unknown |
 * | `CIRCUIT_SLOWER_THAN` | the duration beyond which a call is slow, for `slow_call_rate` |
 * | `CIRCUIT_OPEN_DURATION`, `CIRCUIT_MAX_OPEN_DURATION` | `openDuration`, `maxOpenDuration` |
 * | `CIRCUIT_PROBES`, `CIRCUIT_SUCCESSES_TO_CLOSE` | `probes`, `successesToClose` |
 * | `CIRCUIT_PROBE_LEASE` | `probeLease` |
 * | `CIRCUIT_RAMP`, `CIRCUIT_ATTEMPT_TIMEOUT` | `ramp`, `attemptTimeout` |
 *
 * @category constructors
 * @since 0.1.0
 */
export const policy = (prefix = "CIRCUIT"): Config.Config<CircuitPolicy> =>
  underPrefix(
    prefix,
    Config.all({
      kind: setting(Config.String, "TRIP_POLICY"),
      failures: setting(Config.Number, "FAILURES"),
      threshold: setting(Config.Number, "THRESHOLD"),
      window: setting(Config.String, "WINDOW"),
      minimumCalls: setting(Config.Number, "MINIMUM_CALLS"),
      slowerThan: setting(Config.Duration, "SLOWER_THAN"),
      openDuration: setting(Config.Duration, "OPEN_DURATION"),
      maxOpenDuration: setting(Config.Duration, "MAX_OPEN_DURATION"),
      probes: setting(Config.Number, "PROBES"),
      successesToClose: setting(Config.Number, "SUCCESSES_TO_CLOSE"),
      probeLease: setting(Config.Duration, "PROBE_LEASE"),
      ramp: setting(Config.Duration, "RAMP"),
      attemptTimeout: setting(Config.Duration, "ATTEMPT_TIMEOUT")
    }),
    ({ failures, kind, minimumCalls, slowerThan, threshold, window, ...others }) => {
      const tripPolicy = tripPolicyOf(prefix, kind, { failures, minimumCalls, slowerThan, threshold, window })
      const policy: CircuitPolicy = Object.fromEntries(
        Object.entries({ tripPolicy, ...others }).filter(([, value]) => value !== undefined)
      )
      // Without services, because only a schedule would need them, and no setting is one.
      compilePolicy(policy, Context.empty())
      return policy
    }
  )

interface TripSettings {
  readonly failures: number | undefined
  readonly threshold: number | undefined
  readonly window: string | undefined
  readonly minimumCalls: number | undefined
  readonly slowerThan: Duration.Duration | undefined
}

const tripPolicyOf = (
  prefix: string,
  kind: string | undefined,
  settings: TripSettings
): TripPolicy.TripPolicy | undefined => {
  const { failures, minimumCalls, slowerThan, threshold, window } = settings
  const needed = <A>(field: string, value: A | undefined): A =>
    value ?? invalid(field, value, `set for the trip policy "${kind}"`)
  switch (kind) {
    case undefined:
      for (const [field, value] of Object.entries({ threshold, window, minimumCalls, slowerThan })) {
        if (value !== undefined) {
          invalid(
            field,
            Duration.isDuration(value) ? Duration.format(value) : value,
            `left out unless ${prefix}_TRIP_POLICY names a policy that takes it`
          )
        }
      }
      return failures === undefined ? undefined : TripPolicy.consecutive(failures)
    case "consecutive":
      return TripPolicy.consecutive(failures ?? 3)
    case "adaptive":
      return TripPolicy.adaptive({ failures })
    case "failure_count":
      return TripPolicy.failureCount({
        failures: needed("failures", failures),
        // As a text, because a number of calls is no window of this policy.
        window: needed("window", window) as Duration.Input
      })
    case "failure_rate":
    case "slow_call_rate": {
      const rate = {
        threshold: needed("threshold", threshold),
        window: windowOf(needed("window", window)),
        minimumCalls
      }
      return kind === "failure_rate"
        ? TripPolicy.failureRate(rate)
        : TripPolicy.slowCallRate({ ...rate, slowerThan: needed("slowerThan", slowerThan) })
    }
    default:
      return invalid("tripPolicy", kind, "one of consecutive, failure_count, failure_rate, slow_call_rate, adaptive")
  }
}

// Passes on a text that is neither, because the check of the policy refuses it with the rule.
const windowOf = (text: string) => /^\d+$/.test(text) ? Number(text) : text as TripPolicy.Window
