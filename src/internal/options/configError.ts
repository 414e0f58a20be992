/** Options that come from the environment: a wrong one is an error of the configuration, not a defect. */
import { Config, ConfigProvider, Effect } from "effect"
import { InvalidOptions } from "../../CircuitPolicy.ts"

export const invalidAsConfigError = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | Config.ConfigError, R> =>
  Effect.catchDefect(self, (defect) =>
    defect instanceof InvalidOptions
      ? Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message: defect.message })))
      : Effect.die(defect))
