/** Routes as the router uses them: checked, complete and frozen. */
import type { Duration } from "effect"
import type { RouteOptions, Target, TargetOptions } from "../../FailoverRoute.ts"
import { type Kind, kinds } from "../../Outcome.ts"
import { accountKinds } from "../options/accountKinds.ts"
import { checkOptions } from "../options/known.ts"
import { longestAttempt, type StreamLimits, streamLimits } from "../options/streamLimits.ts"
import { formOf, invalid, millis, oneOf, optionalLimit, positiveInt } from "../options/validation.ts"
import { allowedBy, fence } from "./fence.ts"
import { isBlank, isRecord, list } from "./fields.ts"
import { makeTarget } from "./target.ts"

export interface CompiledTarget extends StreamLimits {
  /** What users see of it. */
  readonly target: Target
  readonly credentials: "own" | "caller"
  readonly attemptTimeout: Duration.Duration
}

export interface CompiledRoute {
  readonly name: string
  /** Those that the route's fence allows, by tier, in the order of the list. */
  readonly targets: readonly [CompiledTarget, ...ReadonlyArray<CompiledTarget>]
  /** Whether no other target has the tier of the first one. */
  readonly hasOnePrimary: boolean
  readonly minFailoverMillis: number
  readonly deadlineMillis: number | undefined
  /** How long a call waits for the gate of its target although others take calls. */
  readonly waitForMillis: number
  readonly rescue: number
  readonly maxHeldBytes: number
  readonly whenExhausted: "last_resort" | "fail"
  readonly failOverOn: ReadonlySet<Kind>
}

export const compileRoutes = (routes: ReadonlyArray<unknown>): ReadonlyArray<CompiledRoute> => {
  if (!Array.isArray(routes) || routes.length === 0) {
    return invalid("routes", formOf(routes), "a list of at least one route, as FailoverRoute.make makes them")
  }
  const compiled = routes.map((route, index) =>
    isRecord(route) && "name" in route && "options" in route
      ? compileRoute(route.name as string, route.options as RouteOptions)
      : invalid(`routes[${index}]`, formOf(route), "a route, as FailoverRoute.make makes it")
  )
  checkNames(compiled)
  checkKeys(compiled)
  return compiled
}

const checkNames = (routes: ReadonlyArray<CompiledRoute>) => {
  const names = routes.map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) invalid("routes", twice, "a list in which no name appears twice")
}

/** Routes may share a circuit by its key, but not because their names happen to meet. */
const checkKeys = (routes: ReadonlyArray<CompiledRoute>) => {
  const owners = new Map<string, Target>()
  for (const { target } of routes.flatMap(({ targets }) => targets)) {
    const owner = owners.get(target.key) ?? target
    owners.set(target.key, owner)
    const isMade = [owner, target].every(({ key, name, route }) => key === `${route}/${name}`)
    if (owner.route !== target.route && isMade) {
      invalid("routes", target.key, "given keys, where the names of routes and targets make the same one twice")
    }
  }
}

const compileRoute = (name: string, route: RouteOptions): CompiledRoute => {
  if (isBlank(name)) invalid("route", name, "a name that is not blank")
  const field = `routes.${name}`
  if (!isRecord(route)) return invalid(field, formOf(route), "an object with targets")
  checkOptions(route, routeFields, field)
  if (!Array.isArray(route.targets) || route.targets.length === 0) {
    return invalid(`${field}.targets`, formOf(route.targets), "a list of at least one target")
  }
  if (route.payload !== undefined && typeof route.payload !== "function") {
    invalid(`${field}.payload`, formOf(route.payload), "a function of a target")
  }
  const targets = Array.from(route.targets, (target, index) => compileTarget(name, route, target, index))
  checkTogether(field, route, targets)
  const allowed = allowedBy(fence(`${field}.allow`, route.allow))
  const [primary, ...others] = targets.filter(({ target }) => allowed(target))
    .toSorted((a, b) => a.target.tier - b.target.tier)
  if (primary === undefined) return invalid(`${field}.allow`, route.allow, "a fence with at least one target inside")
  return Object.freeze({
    name,
    targets: Object.freeze([primary, ...others] as const),
    hasOnePrimary: others[0]?.target.tier !== primary.target.tier,
    minFailoverMillis: millis(`${field}.minFailoverDuration`, route.minFailoverDuration ?? "30 seconds", 0),
    deadlineMillis: route.deadline === undefined ? undefined : millis(`${field}.deadline`, route.deadline),
    waitForMillis: millis(`${field}.waitFor`, route.waitFor ?? 0, 0),
    rescue: heldParts(`${field}.rescue`, route.rescue ?? 0),
    maxHeldBytes: positiveInt(`${field}.maxHeldBytes`, route.maxHeldBytes ?? 16_777_216),
    whenExhausted: oneOf(
      `${field}.whenExhausted`,
      route.whenExhausted ?? "last_resort",
      ["last_resort", "fail"] as const
    ),
    failOverOn: new Set(
      list(`${field}.failOverOn`, route.failOverOn ?? accountKinds).map((kind) =>
        oneOf(`${field}.failOverOn`, kind, kinds)
      )
    )
  })
}

const compileTarget = (
  route: string,
  settings: RouteOptions,
  given: string | TargetOptions,
  index: number
): CompiledTarget => {
  const field = `routes.${route}.targets[${index}]`
  const target = typeof given === "string" ? { name: given } : given
  if (!isRecord(target)) return invalid(field, formOf(target), "a name, or an object with one")
  checkOptions(target, targetFields, field)
  if (isBlank(target.name)) invalid(`${field}.name`, target.name, "a name that is not blank")
  const text = (name: "key" | "region") =>
    target[name] === undefined || !isBlank(target[name])
      ? target[name]
      : invalid(`${field}.${name}`, target[name], "left out, or a text that is not blank")
  const limit = (name: "attemptTimeout" | "firstContentTimeout" | "idleTimeout") =>
    target[name] === undefined
      ? optionalLimit(`routes.${route}.${name}`, settings[name])
      : optionalLimit(`${field}.${name}`, target[name])
  return Object.freeze({
    target: makeTarget({
      route,
      name: target.name,
      key: text("key") ?? `${route}/${target.name}`,
      region: text("region"),
      tier: target.tier === undefined ? index + 1 : positiveInt(`${field}.tier`, target.tier),
      weight: weight(`${field}.weight`, target.weight ?? 1),
      contextTokens: target.contextTokens === undefined
        ? undefined
        : positiveInt(`${field}.contextTokens`, target.contextTokens)
    }, target.payload === undefined ? settings.payload : () => target.payload),
    credentials: oneOf(`${field}.credentials`, target.credentials ?? "own", ["own", "caller"] as const),
    attemptTimeout: limit("attemptTimeout") ?? longestAttempt,
    ...streamLimits({ firstContentTimeout: limit("firstContentTimeout"), idleTimeout: limit("idleTimeout") })
  })
}

const checkTogether = (field: string, route: RouteOptions, targets: ReadonlyArray<CompiledTarget>) => {
  const tiers = route.targets.filter((target) => typeof target !== "string" && target.tier !== undefined).length
  if (tiers > 0 && tiers < targets.length) {
    invalid(`${field}.targets`, formOf(route.targets), "a list in which all targets have a tier, or none has one")
  }
  for (const unique of ["name", "key"] as const) {
    const values = targets.map(({ target }) => target[unique])
    const twice = values.find((value, index) => values.indexOf(value) < index)
    if (twice !== undefined) invalid(`${field}.targets`, twice, `a list in which no ${unique} appears twice`)
  }
  route.targets.forEach((given, index) => {
    const isOnly = targets.filter(({ target }) => target.tier === targets[index]!.target.tier).length === 1
    if (isOnly && typeof given !== "string" && given.weight !== undefined) {
      invalid(`${field}.targets[${index}].weight`, given.weight, "left out where no other target has the same tier")
    }
  })
}

/** How many parts of a stream to hold back: all of them are in memory. */
export const heldParts = (field: string, value: number): number =>
  Number.isSafeInteger(value) && value >= 0 && value <= maxHeldParts
    ? value
    : invalid(field, value, `a whole number from 0 to ${maxHeldParts}`)

const maxHeldParts = 100_000

const limitFields = { attemptTimeout: true, firstContentTimeout: true, idleTimeout: true } as const

const targetFields: Record<keyof TargetOptions, true> = {
  name: true,
  key: true,
  region: true,
  tier: true,
  weight: true,
  contextTokens: true,
  credentials: true,
  payload: true,
  ...limitFields
}

const routeFields: Record<keyof RouteOptions, true> = {
  targets: true,
  payload: true,
  allow: true,
  minFailoverDuration: true,
  deadline: true,
  waitFor: true,
  rescue: true,
  maxHeldBytes: true,
  whenExhausted: true,
  failOverOn: true,
  ...limitFields
}

const weight = (field: string, value: number): number =>
  Number.isFinite(value) && value >= 0 ? value : invalid(field, value, "a finite number of 0 or more")
