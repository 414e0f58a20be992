/** The options of every shared store, checked. */
import { Config, Effect } from "effect"
import { type RecordStore, StoreUnavailable } from "../../RecordStore.ts"
import type { Options } from "../../SharedCircuitStore.ts"
import { setting } from "../options/settings.ts"
import { boolean, millis, positiveInt } from "../options/validation.ts"
import * as sharedStore from "./sharedStore.ts"

export const sharedFields: Record<keyof Options, true> = {
  operationTimeout: true,
  maxStaleness: true,
  flushInterval: true,
  lease: true,
  idleTimeToLive: true,
  maxCircuits: true,
  connectTimeout: true,
  requireConnection: true
}

/** The same, as settings under the prefix of a store. */
export const sharedConfig = () => ({
  operationTimeout: setting(Config.Duration, "OPERATION_TIMEOUT"),
  connectTimeout: setting(Config.Duration, "CONNECT_TIMEOUT"),
  maxStaleness: setting(Config.Duration, "MAX_STALENESS"),
  flushInterval: setting(Config.Duration, "FLUSH_INTERVAL"),
  lease: setting(Config.Duration, "LEASE"),
  idleTimeToLive: setting(Config.Duration, "IDLE_TIME_TO_LIVE"),
  maxCircuits: setting(Config.Number, "MAX_CIRCUITS"),
  requireConnection: setting(Config.Boolean, "REQUIRE_CONNECTION")
})

export const sharedSettings = (options: Options) => ({
  operationMillis: millis("operationTimeout", options.operationTimeout ?? "100 millis"),
  maxStalenessMillis: millis("maxStaleness", options.maxStaleness ?? "1 second", 10),
  flushMillis: millis("flushInterval", options.flushInterval ?? "200 millis"),
  leaseMillis: millis("lease", options.lease ?? "10 seconds", 100),
  idleMillis: millis("idleTimeToLive", options.idleTimeToLive ?? "1 hour"),
  connectMillis: millis("connectTimeout", options.connectTimeout ?? "1 second"),
  maxCircuits: positiveInt("maxCircuits", options.maxCircuits ?? 100_000),
  requireConnection: boolean("requireConnection", options.requireConnection ?? false)
})

/** Circuits on a store of records; fails without it, if they have to have it. */
export const makeShared = Effect.fnUntraced(function*(
  records: RecordStore["Service"],
  settings: ReturnType<typeof sharedSettings>
) {
  const { fault, store } = yield* sharedStore.make(records, settings)
  if (fault !== undefined && settings.requireConnection) return yield* new StoreUnavailable({ error: fault })
  return store
})
