/** Routes as the router uses them: checked, complete and frozen. */
import type { Duration } from "effect"
import type { Fence, RouteOptions, Target, TargetOptions } from "../../FailoverRoute.ts"
import { type Kind, kinds } from "../../Outcome.ts"
import { invalid, millis, optionalDuration, positiveInt } from "../options/validation.ts"

export interface CompiledTarget {
  /** What users see of it. */
  readonly target: Target
  readonly attemptTimeout: Duration.Duration | undefined
  readonly firstContentTimeout: Duration.Duration | undefined
  readonly idleTimeout: Duration.Duration | undefined
}

export interface CompiledRoute {
  readonly name: string
  /** Those that the route's fence allows, by tier, in the order of the list. */
  readonly targets: readonly [CompiledTarget, ...ReadonlyArray<CompiledTarget>]
  readonly minFailoverMillis: number
  readonly deadlineMillis: number | undefined
  readonly rescue: number
  readonly whenExhausted: "fail" | "least_bad"
  readonly failOverOn: ReadonlySet<Kind>
}

export const compileRoutes = (routes: unknown): ReadonlyMap<string, CompiledRoute> => {
  if (!isRecord(routes) || Object.keys(routes).length === 0) {
    return invalid("routes", routes, "an object with at least one route")
  }
  const compiled = Object.entries(routes).map(([name, route]) => compileRoute(name, route as RouteOptions))
  checkKeys(compiled)
  return new Map(compiled.map((route) => [route.name, route]))
}

/** The circuit of the calls that are made when every circuit of a route turned a call away. */
export const lastResortOf = ({ key }: Target): string => `${key}/last-resort`

/** Routes may share a circuit by its key, but not because their names happen to meet. */
const checkKeys = (routes: ReadonlyArray<CompiledRoute>) => {
  const lastResorts = new Set(
    routes.filter(({ whenExhausted }) => whenExhausted === "least_bad")
      .flatMap(({ targets }) => targets.map(({ target }) => lastResortOf(target)))
  )
  const owners = new Map<string, Target>()
  for (const { target } of routes.flatMap(({ targets }) => targets)) {
    const owner = owners.get(target.key) ?? target
    owners.set(target.key, owner)
    if (lastResorts.has(target.key)) invalid("routes", target.key, "without the key of another target's last resort")
    const isMade = [owner, target].every(({ key, name, route }) => key === `${route}/${name}`)
    if (owner.route !== target.route && isMade) {
      invalid("routes", target.key, "given keys, where the names of routes and targets make the same one twice")
    }
  }
}

const compileRoute = (name: string, route: RouteOptions): CompiledRoute => {
  if (isBlank(name)) invalid("routes", name, "an object whose routes have a name")
  const field = `routes.${name}`
  if (!isRecord(route)) return invalid(field, route, "an object with targets")
  checkFields(field, route, routeFields)
  if (!Array.isArray(route.targets) || route.targets.length === 0) {
    return invalid(`${field}.targets`, route.targets, "a list of at least one target")
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
    minFailoverMillis: millis(`${field}.minFailoverDuration`, route.minFailoverDuration ?? "30 seconds", 0),
    deadlineMillis: route.deadline === undefined ? undefined : millis(`${field}.deadline`, route.deadline),
    rescue: heldParts(`${field}.rescue`, route.rescue ?? 0),
    whenExhausted: oneOf(`${field}.whenExhausted`, route.whenExhausted ?? "fail", ["fail", "least_bad"] as const),
    failOverOn: new Set(
      list(`${field}.failOverOn`, route.failOverOn ?? ["auth"]).map((kind) => oneOf(`${field}.failOverOn`, kind, kinds))
    )
  })
}

const compileTarget = (
  route: string,
  limits: RouteOptions,
  given: string | TargetOptions,
  index: number
): CompiledTarget => {
  const field = `routes.${route}.targets[${index}]`
  const target = typeof given === "string" ? { name: given } : given
  if (!isRecord(target)) return invalid(field, target, "a name, or an object with one")
  checkFields(field, target, targetFields)
  if (isBlank(target.name)) invalid(`${field}.name`, target.name, "a name that is not blank")
  const text = (name: "key" | "region") =>
    target[name] === undefined || !isBlank(target[name])
      ? target[name]
      : invalid(`${field}.${name}`, target[name], "left out, or a text that is not blank")
  const limit = (name: "attemptTimeout" | "firstContentTimeout" | "idleTimeout") =>
    target[name] === undefined
      ? optionalDuration(`routes.${route}.${name}`, limits[name])
      : optionalDuration(`${field}.${name}`, target[name])
  return Object.freeze({
    target: Object.freeze({
      route,
      name: target.name,
      key: text("key") ?? `${route}/${target.name}`,
      region: text("region"),
      tier: target.tier === undefined ? index + 1 : positiveInt(`${field}.tier`, target.tier),
      weight: weight(`${field}.weight`, target.weight ?? 1),
      contextTokens: target.contextTokens === undefined
        ? undefined
        : positiveInt(`${field}.contextTokens`, target.contextTokens)
    }),
    attemptTimeout: limit("attemptTimeout"),
    firstContentTimeout: limit("firstContentTimeout"),
    idleTimeout: limit("idleTimeout")
  })
}

const checkTogether = (field: string, route: RouteOptions, targets: ReadonlyArray<CompiledTarget>) => {
  const tiers = route.targets.filter((target) => typeof target !== "string" && target.tier !== undefined).length
  if (tiers > 0 && tiers < targets.length) {
    invalid(`${field}.targets`, route.targets, "a list in which all targets have a tier, or none has one")
  }
  for (const unique of ["name", "key"] as const) {
    const values = targets.map(({ target }) => target[unique])
    const twice = values.find((value, index) => values.indexOf(value) < index)
    if (twice !== undefined) invalid(`${field}.targets`, twice, `a list in which no ${unique} appears twice`)
  }
  route.targets.forEach((given, index) => {
    const alone = targets.filter(({ target }) => target.tier === targets[index]!.target.tier).length === 1
    if (alone && typeof given !== "string" && given.weight !== undefined) {
      invalid(`${field}.targets[${index}].weight`, given.weight, "left out where no other target has the same tier")
    }
  })
}

/** A fence that was checked for its form. */
export const fence = (field: string, given: Fence | undefined): Fence => {
  if (given === undefined) return {}
  if (!isRecord(given)) return invalid(field, given, "an object with regions or targets")
  checkFields(field, given, fenceFields)
  const names = (name: "regions" | "targets") =>
    given[name] === undefined ? undefined : new Set<string>(list(`${field}.${name}`, given[name]))
  const [regions, targets] = [names("regions"), names("targets")]
  return { regions: regions && [...regions], targets: targets && [...targets] }
}

/** Whether a target is inside of a fence. */
export const allowedBy = ({ regions, targets }: Fence) => ({ name, region }: Target): boolean =>
  (regions === undefined || (region !== undefined && regions.includes(region))) &&
  (targets === undefined || targets.includes(name))

/** How many parts of a stream to hold back: all of them are in memory. */
export const heldParts = (field: string, value: number): number =>
  Number.isSafeInteger(value) && value >= 0 && value <= maxHeldParts
    ? value
    : invalid(field, value, `a whole number from 0 to ${maxHeldParts}`)

const maxHeldParts = 100_000

/** A fence that is misspelt would let everything pass. */
export const checkFields = (field: string, given: object, known: Record<string, true>) => {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(known, name))
  if (unknown !== undefined) {
    invalid(`${field}.${unknown}`, Reflect.get(given, unknown), `left out: known are ${Object.keys(known).join(", ")}`)
  }
}

const limitFields = { attemptTimeout: true, firstContentTimeout: true, idleTimeout: true } as const

const fenceFields: Record<keyof Fence, true> = { regions: true, targets: true }

const targetFields: Record<keyof TargetOptions, true> = {
  name: true,
  key: true,
  region: true,
  tier: true,
  weight: true,
  contextTokens: true,
  ...limitFields
}

const routeFields: Record<keyof RouteOptions, true> = {
  targets: true,
  allow: true,
  minFailoverDuration: true,
  deadline: true,
  rescue: true,
  whenExhausted: true,
  failOverOn: true,
  ...limitFields
}

const weight = (field: string, value: number): number =>
  Number.isFinite(value) && value >= 0 ? value : invalid(field, value, "a finite number of 0 or more")

const oneOf = <const A extends string>(field: string, value: unknown, known: ReadonlyArray<A>): A =>
  known.find((one) => one === value) ?? invalid(field, value, `one of ${known.join(", ")}`)

// A text is a list of letters to whoever only iterates.
const list = <A>(field: string, value: ReadonlyArray<A>): ReadonlyArray<A> =>
  Array.isArray(value) ? value : invalid(field, value, "a list")

const isRecord = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isBlank = (value: unknown): boolean => typeof value !== "string" || value.trim() === ""
