/** Targets that do what a test tells them, and a router over them on a recorded breaker. */
import { Data, Effect, Exit, Layer, Option } from "effect"
import {
  CircuitBreaker,
  type CircuitPolicy,
  FailoverError,
  FailoverRoute,
  FailoverRouter,
  Outcome,
  TripPolicy
} from "effect-resilience"
import { CircuitTest, RecordedEvents } from "effect-resilience/testing"

/** An error, or an answer, that says of its target what a test wants it to. */
export class Said extends Data.TaggedError("Said")<{ readonly outcome: Outcome.Outcome }> {}

export const fails = (outcome: Outcome.Outcome) => Effect.suspend(() => Effect.fail(new Said({ outcome })))
export const answers = (outcome: Outcome.Outcome) => Effect.sync(() => new Said({ outcome }))
export const down = fails(Outcome.failure("overloaded"))

export const classify: CircuitPolicy.Classify = (exit) => {
  const said = Exit.isSuccess(exit) ? exit.value : Option.getOrUndefined(Exit.findErrorOption(exit))
  if (said instanceof Said) return said.outcome
  return Exit.isSuccess(exit) ? Outcome.success : Outcome.ignored("caller_error")
}

export const breaker = (policy: CircuitPolicy.CircuitPolicy = {}) =>
  CircuitTest.layer({ tripPolicy: TripPolicy.consecutive(1), openDuration: "60 seconds", ...policy })

/** A route `chat` of `us`, `eu` and `asia`, unless its options say otherwise. */
export const router = <R = never>(
  options: Partial<FailoverRouter.Options<FailoverRoute.FailoverRoute, R>> = {},
  policy?: CircuitPolicy.CircuitPolicy
) =>
  FailoverRouter.layer<FailoverRoute.FailoverRoute, R>({
    routes: [FailoverRoute.make("chat", { targets: ["us", "eu", "asia"] })],
    classify,
    ...options
  }).pipe(
    Layer.provideMerge(breaker(policy))
  )

/** The same with one route `chat` of these targets and settings. */
export const route = (
  chat: Partial<FailoverRoute.RouteOptions>,
  options: Partial<FailoverRouter.Options> = {},
  policy?: CircuitPolicy.CircuitPolicy
) => router({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu", "asia"], ...chat })], ...options }, policy)

type End = Effect.Effect<unknown, unknown>

/** What each target does now, and who was asked; a target without an entry answers with its name. */
export const makeTargets = (ends: Record<string, End> = {}) => {
  const asked: Array<string> = []
  const call = ({ name }: { readonly name: string }): End =>
    Effect.suspend(() => {
      asked.push(name)
      return ends[name] ?? Effect.succeed(name)
    })
  return {
    asked,
    ends,
    call,
    ask: (options?: FailoverRouter.ExecuteOptions) => FailoverRouter.execute("chat", call, options),
    /** Who was asked since the last time. */
    take: (): ReadonlyArray<string> => asked.splice(0)
  }
}

export const active = Effect.map(FailoverRouter.activeTarget("chat"), ({ name }) => name)
export const tag = (target: string) => Effect.map(CircuitBreaker.state(`chat/${target}`), ({ _tag }) => _tag)

/** The failure of a call that no target served. */
export const failure = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.filterOrElse(
    Effect.flip(self),
    FailoverError.isFailoverError,
    (error) => Effect.die(`not of the router: ${String(error)}`)
  )

/** The attempts in short. */
export const trail = ({ attempts }: FailoverError.FailoverError) =>
  attempts.map(({ cause, ran, target }) => `${target} ${cause}${ran ? "" : " (not asked)"}`)

/** What a router has announced so far, in order. */
export const told = Effect.gen(function*() {
  const { all } = yield* RecordedEvents.RecordedEvents
  return (yield* all).flatMap((event) => {
    switch (event.event) {
      case "failover.switched":
        return [`${event.from_target} -> ${event.to_target}: ${event.cause}`]
      case "failover.recovered":
        return [`${event.from_target} => ${event.to_target} after ${event.failed_over_ms}`]
      case "failover.exhausted":
        return [`exhausted: ${event.targets.map(({ cause, target }) => `${target} ${cause}`).join(", ")}`]
      case "failover.probe":
        return [`probe of ${event.target}: ${event.result}`]
      default:
        return []
    }
  })
})

/** Ends a call through the circuit of a target so. */
export const through = (target: string, end: End) =>
  Effect.exit(end.pipe(CircuitBreaker.execute({ key: `chat/${target}`, classify })))
export const fail = (target: string) => through(target, down)
export const succeed = (target: string) => through(target, Effect.succeed("well"))
