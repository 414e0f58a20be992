/** The router service on a breaker: its routes, and what keeps them up to date. */
import { Clock, type Context, Duration, Effect, type Fiber, Stream } from "effect"
import { CircuitBreaker } from "../../CircuitBreaker.ts"
import * as FailoverError from "../../FailoverError.ts"
import type { Configured, FailoverRoute, Reference, Target } from "../../FailoverRoute.ts"
import type {
  ConfigOptions,
  ExecuteOptions,
  FailoverRouter,
  Leg,
  Options,
  RouteState,
  StreamOptions
} from "../../FailoverRouter.ts"
import * as LlmOutcome from "../../LlmOutcome.ts"
import * as Outcome from "../../Outcome.ts"
import { partReader } from "../call/guardStream.ts"
import { checkOptions } from "../options/known.ts"
import { invalid, millis, optionalFunction, positiveInt } from "../options/validation.ts"
import { property } from "../untrusted/values.ts"
import { effectAttempt, type Reading, streamAttempt } from "./attempts.ts"
import { compileRoutes, heldParts } from "./compiledRoute.ts"
import { MaxHeldBytes } from "./heldBytes.ts"
import { type Places, Prober, type ProbeSettings } from "./prober.ts"
import { type Place, Route } from "./route.ts"
import { type Settings, walk } from "./walk.ts"

type Service = FailoverRouter["Service"]

const fields: Record<keyof Options, true> = {
  routes: true,
  classify: true,
  retry: true,
  healthProbe: true,
  healthProbeTimeout: true,
  healthProbeInterval: true
}

/** A router that calls may also name by other values than its routes, which are `given` in the same order. */
export const make = Effect.fnUntraced(function*<Of extends FailoverRoute, R>(
  options: Options<Of, R>,
  given?: ReadonlyArray<Reference>
) {
  checkOptions<Options<Of, R>>(options, fields)
  const references = given ?? options.routes
  const compiled = compileRoutes(options.routes)
  for (const name of ["classify", "retry", "healthProbe"] as const) optionalFunction(name, options[name])
  const probing = yield* probeSettings(options)
  const ofProcess = positiveInt("MaxHeldBytes", yield* MaxHeldBytes)
  const breaker = yield* CircuitBreaker
  const clock = yield* Clock.Clock
  const settings: Settings = {
    classify: options.classify ?? LlmOutcome.classify,
    retry: options.retry as Settings["retry"],
    callsProbe: probing === undefined
  }
  const routes: Array<Route> = []
  const listeners = new Map<string, Array<() => void>>()
  const listen = (key: string, moved: () => void) => listeners.set(key, [...listeners.get(key) ?? [], moved])
  const shared = new Map<string, Places>()
  for (const route of compiled) {
    const places = yield* Effect.forEach(
      route.targets,
      (target) => Effect.map(breaker.view(target.target.key), (circuit): Place => ({ ...target, circuit }))
    )
    const made = new Route(route, places, breaker.reporter, clock)
    routes.push(made)
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

  const known = new Map<Reference, Route>(
    routes.flatMap((route, index) => [[route.compiled.name, route], [references[index]!, route]] as const)
  )
  const onRoute = <A, E, R>(
    reference: Reference,
    use: (route: Route, fiber: Fiber.Fiber<unknown, unknown>) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | FailoverError.FailoverError, R> =>
    Effect.withFiber((fiber): Effect.Effect<A, E | FailoverError.FailoverError, R> => {
      const route = known.get(reference)
      if (route !== undefined) return use(route, fiber)
      const name = typeof reference === "string" ? reference : String(property(reference, "name"))
      return Effect.fail(FailoverError.make({ _tag: "UnknownRoute", route: name }))
    })

  const execute = (reference: Reference, call: AnyCall, options: ExecuteOptions = {}) =>
    onRoute(reference, (route, fiber) => {
      checkOptions(options, callFields)
      return walk(fiber, route, settings, options, effectAttempt(call, breaker), call)
    })

  const opened = (reference: Reference, call: AnyStreamCall, options: StreamOptions) =>
    onRoute(reference, (route, fiber) => {
      checkOptions(options, callFields)
      const { maxHeldBytes: ofCall, rescue } = route.compiled
      const reading = {
        ...options,
        classifyPart: partReader(options.classifyPart),
        rescue: options.rescue === undefined ? rescue : heldParts("rescue", options.rescue),
        held: { ofCall, ofProcess },
        failedLate: ((target, said) => route.refused(target, Outcome.kindOf(said))) satisfies Reading<
          never
        >["failedLate"]
      }
      return Effect.flatMap(
        Effect.scope,
        (scope) => walk(fiber, route, settings, options, streamAttempt(call, reading, scope, breaker), call)
      )
    })

  const stream = (...call: Parameters<typeof opened>) => Stream.unwrap(opened(...call))

  // What the parts need is that of the opening, because a response that streams them has no context of its own.
  const open = (...call: Parameters<typeof opened>) =>
    Effect.contextWith((context: Context.Context<unknown>) =>
      Effect.map(opened(...call), Stream.provideContext(context))
    )

  const activeTarget = (reference: Reference) =>
    onRoute(reference, (route) => Effect.succeed(route.compiled.targets[route.read().lead.active]!.target))

  return {
    execute: execute as Service["execute"],
    stream: stream as Service["stream"],
    open: open as Service["open"],
    activeTarget: activeTarget as Service["activeTarget"],
    isFailedOver: (reference) => onRoute(reference, (route) => Effect.succeed(route.read().lead.active !== 0)),
    snapshot: Effect.sync(() => routes.map(stateOf)),
    reset: (reference, operator) =>
      onRoute(reference, (route) =>
        Effect.andThen(
          Effect.forEach(route.compiled.targets, ({ target }) => breaker.reset(target.key, operator)),
          Effect.sync(() => route.goHome())
        ))
  } satisfies Service
})

/** A router over routes that configuration gave. Calls may also name them by the values that say what they carry. */
export const makeConfigured = <Of extends Configured, R>(
  { routes: carriers, ...options }: ConfigOptions<Of, R>,
  read: ReadonlyArray<FailoverRoute>
) =>
  Effect.suspend(() => {
    if (carriers === undefined || read.length === 0) {
      return make({ ...options, routes: read } as Options<FailoverRoute, R>)
    }
    const names = carriers.map(({ name }) => name)
    const missing = names.find((name) => !read.some((route) => route.name === name))
    if (missing !== undefined) invalid("routes", missing, `one of ${read.map(({ name }) => name).join(", ")}`)
    const routes = read.map(({ name, options }) => {
      const carrier = carriers[names.indexOf(name)]
      return carrier === undefined
        ? invalid("routes", name, `one of ${names.join(", ")}`)
        : { name, options: { ...options, payload: carrier.payload } }
    })
    const references = routes.map(({ name }) => carriers[names.indexOf(name)]!)
    return make({ ...options, routes } as Options<FailoverRoute, R>, references)
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

const probeSettings = <Of extends FailoverRoute, R>(
  { healthProbe, healthProbeInterval = "30 seconds", healthProbeTimeout = "5 seconds" }: Options<Of, R>
): Effect.Effect<ProbeSettings | undefined, never, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const timeout = Duration.millis(millis("healthProbeTimeout", healthProbeTimeout))
    const intervalMillis = millis("healthProbeInterval", healthProbeInterval)
    if (healthProbe === undefined) return Effect.undefined
    const probe = healthProbe as (target: Target) => Effect.Effect<boolean, unknown, R>
    return Effect.succeed({
      probe: (target) => Effect.provideContext(probe(target), context),
      timeout,
      intervalMillis
    })
  })

type AnyCall = (target: Target, leg: Leg) => Effect.Effect<unknown, unknown, unknown>
type AnyStreamCall = (target: Target, leg: Leg) => Stream.Stream<unknown, unknown, unknown>

const callFields: Record<keyof StreamOptions, true> = {
  allow: true,
  stickyKey: true,
  deadline: true,
  waitFor: true,
  rescue: true,
  classifyPart: true,
  settleProbeAt: true,
  evidence: true
}
