/** The router service on a breaker: its routes, and what keeps them up to date. */
import { Clock, type Context, Duration, Effect, Stream } from "effect"
import { CircuitBreaker } from "../../CircuitBreaker.ts"
import * as FailoverError from "../../FailoverError.ts"
import type { Target } from "../../FailoverRoute.ts"
import type { ExecuteOptions, FailoverRouter, Leg, Options, RouteState, StreamOptions } from "../../FailoverRouter.ts"
import * as LlmOutcome from "../../LlmOutcome.ts"
import { invalid, millis } from "../options/validation.ts"
import { compileRoutes, heldParts } from "./compiledRoute.ts"
import { effectAttempt, streamAttempt } from "./legs.ts"
import { type Places, Prober, type ProbeSettings } from "./prober.ts"
import { type Place, Route } from "./route.ts"
import { type Settings, walk } from "./walk.ts"

type Service = FailoverRouter["Service"]

export const make = Effect.fnUntraced(function*<R>(options: Options<R>) {
  const compiled = compileRoutes(options.routes)
  for (const name of ["classify", "retry", "healthProbe"] as const) {
    const given: unknown = options[name]
    if (given !== undefined && typeof given !== "function") invalid(name, given, "a function")
  }
  const probing = yield* probeSettings(options)
  const breaker = yield* CircuitBreaker
  const clock = yield* Clock.Clock
  const settings: Settings = {
    classify: options.classify ?? LlmOutcome.classify,
    retry: options.retry,
    callsProbe: probing === undefined
  }
  const routes = new Map<string, Route>()
  const listeners = new Map<string, Array<() => void>>()
  const listen = (key: string, moved: () => void) => listeners.set(key, [...listeners.get(key) ?? [], moved])
  const shared = new Map<string, Places>()
  for (const route of compiled.values()) {
    const places = yield* Effect.forEach(
      route.targets,
      (target) => Effect.map(breaker.view(target.target.key), (circuit): Place => ({ ...target, circuit }))
    )
    const made = new Route(route, places, breaker.reporter, clock)
    routes.set(route.name, made)
    for (const place of places) {
      const { key } = place.target
      const others = shared.get(key)
      const here = { ...place, route: made }
      shared.set(key, others === undefined ? [here] : [...others, here])
      listen(key, made.circuitMoved)
    }
    const names = route.targets.map(({ target }) => target.name)
    yield* Effect.acquireRelease(
      Effect.sync(() => breaker.reporter.route(route.name, names, () => made.active.target.name)),
      (removed) => Effect.sync(removed)
    )
    yield* Effect.forkScoped(made.tend)
  }
  if (probing !== undefined) {
    for (const [key, places] of shared) {
      const prober = new Prober(places, probing, settings, breaker, clock)
      listen(key, prober.circuitMoved)
      yield* Effect.forkScoped(prober.run)
    }
  }
  yield* breaker.observe({
    name: "failover",
    onEvent: (event) => {
      if ("to" in event || event.event === "circuit.throttled") listeners.get(event.key)?.forEach((moved) => moved())
    }
  })
  // What a shared store holds has to be asked for once; from then on the process follows it.
  const ask = ([{ circuit }]: Places) => Effect.andThen(Effect.sync(() => circuit.state), breaker.state(circuit.key))
  yield* Effect.forkScoped(Effect.forEach(shared.values(), ask, { concurrency: 16, discard: true }))

  const routeOf = (name: string): Effect.Effect<Route, FailoverError.FailoverError> => {
    const route = routes.get(name)
    return route === undefined
      ? Effect.fail(FailoverError.make({ _tag: "UnknownRoute", route: name }))
      : Effect.succeed(route)
  }

  const execute = (name: string, call: AnyCall, options: ExecuteOptions = {}) =>
    Effect.flatMap(
      routeOf(name),
      (route) => walk(route, settings, options, effectAttempt(call, breaker))
    )

  const stream = (name: string, call: AnyStreamCall, options: StreamOptions = {}) =>
    Stream.unwrap(Effect.gen(function*() {
      const route = yield* routeOf(name)
      const scope = yield* Effect.scope
      const rescue = options.rescue === undefined ? route.compiled.rescue : heldParts("rescue", options.rescue)
      return yield* walk(route, settings, options, streamAttempt(call, options, rescue, scope, breaker))
    }))

  return {
    execute: execute as Service["execute"],
    stream: stream as Service["stream"],
    activeTarget: (name) =>
      Effect.map(routeOf(name), (route) => route.compiled.targets[route.read().lead.active]!.target),
    isFailedOver: (name) => Effect.map(routeOf(name), (route) => route.read().lead.active !== 0),
    snapshot: Effect.sync(() => Array.from(routes.values(), (route) => stateOf(route))),
    reset: (name, operator) =>
      Effect.flatMap(routeOf(name), (route) =>
        Effect.andThen(
          Effect.forEach(route.compiled.targets, ({ target }) => breaker.reset(target.key, operator)),
          Effect.sync(() => route.goHome())
        ))
  } satisfies Service
})

const stateOf = (route: Route): RouteState => {
  const { lead: { active, leftAt }, now, states } = route.read()
  const { name, targets } = route.compiled
  return {
    route: name,
    active: targets[active]!.target,
    isFailedOver: active !== 0,
    failedOverFor: leftAt === undefined ? undefined : Duration.millis(Math.max(0, now - leftAt)),
    targets: targets.map(({ target }, index) => ({ target, circuit: states[index]! }))
  }
}

const probeSettings = <R>(
  { healthProbe, healthProbeInterval = "30 seconds", healthProbeTimeout = "5 seconds" }: Options<R>
): Effect.Effect<ProbeSettings | undefined, never, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const timeout = Duration.millis(millis("healthProbeTimeout", healthProbeTimeout))
    const intervalMillis = millis("healthProbeInterval", healthProbeInterval)
    if (healthProbe === undefined) return Effect.undefined
    return Effect.succeed({
      probe: (target) => Effect.provideContext(healthProbe(target), context),
      timeout,
      intervalMillis
    })
  })

type AnyCall = (target: Target, leg: Leg) => Effect.Effect<unknown, unknown, unknown>
type AnyStreamCall = (target: Target, leg: Leg) => Stream.Stream<unknown, unknown, unknown>
