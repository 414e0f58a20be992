/** Routes as the JSON of an environment variable. Whatever is wrong with them is named by its place in the variable. */
import { Config, Effect, SchemaIssue } from "effect"
import { decode, type FailoverRoute } from "../../FailoverRoute.ts"
import { invalidAsConfigError, setting } from "../options/settings.ts"
import { invalid } from "../options/validation.ts"
import { compileRoutes } from "./compiledRoute.ts"
import { isRecord } from "./fields.ts"

const variable = "FAILOVER_ROUTES"

export const routesFromEnvironment: Config.Config<ReadonlyArray<FailoverRoute<undefined>>> = Config.mapEffect(
  setting(Config.String, variable),
  (text) => invalidAsConfigError(routesOf(text), (field) => field.replace("routes", variable))
)

const routesOf = Effect.fnUntraced(function*(text: string | undefined) {
  const json = yield* Effect.sync(() => jsonOf(text))
  // The rules of routes come first, because they say what they want. The schema knows what JSON has no form for.
  const routes = isRecord(json) ? Object.entries(json).map(([name, options]) => ({ name, options })) : []
  if (routes.length === 0) invalid("routes", json, "an object with at least one route")
  compileRoutes(routes)
  return yield* Effect.catch(decode(json), ({ issue }) => Effect.sync(() => malformed(json, issue)))
})

const jsonOf = (text: string | undefined): unknown => {
  try {
    return JSON.parse(text!)
  } catch {
    return invalid("routes", text, "routes as JSON")
  }
}

const malformed = (json: unknown, issue: SchemaIssue.Issue): never => {
  const { message, path = [] } = formatIssue(issue).issues[0]!
  const steps = path.map((step) => typeof step === "object" ? step.key : step)
  const field = steps.map((step) => typeof step === "number" ? `[${step}]` : `.${String(step)}`).join("")
  const value = steps.reduce((value: unknown, step) => Object(value)[step], json)
  return invalid(`routes${field}`, value, message.replace(/^Expected /, "").replace(" | undefined", ""))
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()
