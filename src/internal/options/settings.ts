/** Options from the environment. An invalid one is a `ConfigError` that names its variable. */
import { Config, ConfigProvider, Effect, identity, Option } from "effect"
import { InvalidOptions } from "./invalidOptions.ts"

/**
 * One setting, undefined if it is absent. A text that `read` cannot read is passed on, because the check of its option
 * refuses it with the rule and the value.
 */
export const setting = <A>(read: (name: string) => Config.Config<A>, name: string): Config.Config<A | undefined> =>
  Config.map(
    Config.option(Config.orElse(read(name), () => Config.String(name) as Config.Config<never>)),
    Option.getOrUndefined
  )

/** Options made of the settings under a prefix. An error of `make` about a field becomes one about its variable. */
export const underPrefix = <A, B>(
  prefix: string,
  settings: Config.Config<A>,
  make: (settings: A) => B
): Config.Config<B> =>
  Config.mapEffect(
    Config.nested(settings, prefix),
    (read) => invalidAsConfigError(Effect.sync(() => make(read)), (field) => `${prefix}_${settingOf(field)}`)
  )

/** `tripPolicy.minimumCalls` is `MINIMUM_CALLS`. */
const settingOf = (field: string): string =>
  field.slice(field.lastIndexOf(".") + 1).replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()

/** `nameOf` gives the name under which users know a field. */
export const invalidAsConfigError = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  nameOf: (field: string) => string = identity
): Effect.Effect<A, E | Config.ConfigError, R> =>
  Effect.catchDefect(self, (defect) => {
    if (!(defect instanceof InvalidOptions)) return Effect.die(defect)
    const { message } = new InvalidOptions({ ...defect, field: nameOf(defect.field) })
    return Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message })))
  })
