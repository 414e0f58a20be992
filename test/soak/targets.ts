/** The keys that are called, and the policies of their circuits: short times, so that much happens. */
import { Schedule } from "effect"
import { type CircuitPolicy, FailoverRoute, LlmOutcome, TripPolicy } from "effect-resilience"

const common: CircuitPolicy.CircuitPolicy = {
  openDuration: "80 millis",
  maxOpenDuration: "300 millis",
  classify: LlmOutcome.classify
}

/** By the first part of the key. */
const policies: Readonly<Record<string, CircuitPolicy.CircuitPolicy>> = {
  streak: { ...common, tripPolicy: TripPolicy.consecutive(3) },
  rate: {
    ...common,
    tripPolicy: TripPolicy.failureRate({ threshold: 0.5, minimumCalls: 10, window: 40 }),
    probes: 2,
    successesToClose: 3,
    ramp: "120 millis"
  },
  window: {
    ...common,
    tripPolicy: TripPolicy.anyOf(
      TripPolicy.failureRate({ threshold: 0.4, minimumCalls: 5, window: "800 millis" }),
      TripPolicy.slowCallRate({ threshold: 0.7, minimumCalls: 10, slowerThan: "60 millis", window: "800 millis" })
    ),
    openDuration: Schedule.exponential("50 millis").pipe(Schedule.upTo({ times: 4 }))
  },
  adaptive: { ...common, tripPolicy: TripPolicy.adaptive({ failures: 4 }), openDuration: "60 millis" },
  limited: { ...common, tripPolicy: TripPolicy.consecutive(4), attemptTimeout: "40 millis" },
  nested: { ...common, tripPolicy: TripPolicy.consecutive(2), openDuration: "50 millis" },
  route: { ...common, tripPolicy: TripPolicy.consecutive(3), openDuration: "150 millis" },
  tenant: { ...common, tripPolicy: TripPolicy.consecutive(2) }
}

export const policyOf = (key: string): CircuitPolicy.CircuitPolicy => policies[familyOf(key)]!

const familyOf = (key: string): string => key.slice(0, key.indexOf("/"))

/** What a policy does to a call that takes too long. */
export const attemptLimit = (key: string) =>
  policyOf(key).attemptTimeout === undefined ? [] : ["AttemptTimedOut" as const]

/** Called all the time. */
export const steady = ["streak/1", "streak/2", "rate/1", "window/1", "adaptive/1", "limited/1"]

/** Called from inside of themselves. */
export const nested = "nested/1"

/** Called for a moment, then idle until they are dropped, then called again as if they were new. */
export const tenant = (number: number) => `tenant/${number}`
export const tenants = 600

/** What a dependency knows of a key: the tenants are one. */
export const targetOf = (key: string) => familyOf(key) === "tenant" ? "tenant" : key

export const route = "route"
export const routes = [
  FailoverRoute.make(route, {
    targets: [{ name: "us", idleTimeout: "30 millis" }, { name: "eu" }, { name: "ap", attemptTimeout: "80 millis" }],
    // A provider that stalls would keep its callers for ever.
    idleTimeout: "60 millis",
    minFailoverDuration: "300 millis",
    deadline: "2 seconds"
  })
]

/** Those that the dependency treats apart, and an operator steers. */
export const faulty = [...steady, nested, "tenant", "route/us", "route/eu", "route/ap"]
export const steered = [...steady, nested, "route/us", "route/eu", tenant(1), tenant(2)]
