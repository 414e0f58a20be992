// Holds names and defaults in documents and doc comments to the code.
import * as NodeSdk from "@effect/opentelemetry/NodeSdk"
import * as PlatformNode from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Effects from "effect"
import { Duration } from "effect"
import * as Core from "effect-resilience"
import * as Ai from "effect-resilience/ai"
import * as Http from "effect-resilience/http"
import * as Postgres from "effect-resilience/postgres"
import * as Redis from "effect-resilience/redis"
import * as Testing from "effect-resilience/testing"
import * as EffectHttp from "effect/http"
import * as Observability from "effect/observability"
import { codesOf, documents, read, records, sources, withoutFences } from "./documents.ts"

const texts = [...sources.values()]

describe("names in the documents", () => {
  const modules: Readonly<Record<string, object>> = {
    ...Effects,
    ...EffectHttp,
    ...Observability,
    NodeSdk,
    ...PlatformNode,
    ...Core,
    ...Ai,
    ...Http,
    ...Postgres,
    ...Redis,
    ...Testing
  }
  const names = documents.filter((path) => path !== "CHANGELOG.md")
    .flatMap((path) => codesOf(withoutFences(read(path))).map((name) => ({ path, name })))

  it("of members of modules are those there are", () => {
    const inFences = documents.flatMap((path) =>
      Array.from(read(path).matchAll(/^```ts\n([\s\S]*?)^```$/gm), ([, code]) => code!)
        .flatMap((code) => Array.from(code.matchAll(/\b[A-Z]\w+\.[a-z]\w*/g), ([name]) => ({ path, name })))
    )
    const members = [...names, ...inFences].flatMap(({ name, path }) => {
      const [, module, member] = /^([A-Z]\w+)\.(\w+)(?:$|\()/.exec(name) ?? []
      return member !== undefined && member !== "ts" && Object.hasOwn(modules, module!)
        ? [{ path, module: module!, member }]
        : []
    })
    assert.isAbove(members.length, 150)
    const isType = (name: string) => texts.some((text) => text.includes(`export interface ${name} {`))
    assert.deepStrictEqual(members.filter(({ member, module }) => !(member in modules[module]!) && !isType(member)), [])
  })

  it("of events, metrics and what is on spans are those there are", () => {
    const written = names.filter(({ name }) =>
      /^(?:(?:circuit|store|classify|observer|failover)\.[a-z_]+|(?:cb|failover)_[a-z_]+)$/.test(name) &&
      !name.endsWith(".json")
    )
    const known = (name: string) =>
      Core.CircuitEvent.CircuitEvent.members.some(({ fields }) => fields.event.literal === name) ||
      Object.values(Core.MetricDefinition.definitions).some((metric) => metric.name === name) ||
      sources.get("internal/call/trace.ts")!.includes(`"${name}"`)
    assert.isAbove(written.length, 80)
    assert.deepStrictEqual(written.filter(({ name }) => !known(name)), [])
  })
})

describe("settings from the environment", () => {
  it.each([
    ["CircuitConfig.ts", "CIRCUIT"],
    ["postgres/PostgresCircuitStore.ts", "CIRCUIT_POSTGRES"],
    ["redis/RedisCircuitStore.ts", "CIRCUIT_REDIS"]
  ])("%s lists those that it reads", (path, prefix) => {
    const source = sources.get(path)!
    const listed = Array.from(source.matchAll(/^ \* \| (`[A-Z].*?) \|/gm), ([, cell]) => codesOf(cell!)).flat()
    const shared = source.includes("...sharedConfig()") ? sources.get("internal/shared/options.ts")! : ""
    const asked = Array.from(`${source}${shared}`.matchAll(/setting\(Config\.\w+, "([A-Z_]+)"\)/g), ([, name]) => name!)
    assert.sameMembers(listed, asked.map((name) => `${prefix}_${name}`))
  })
})

describe("defaults", () => {
  const amount = /^(\d[\d.,_]*)(?: (ms|millis|s|seconds?|minutes?|hours?))?$/
  const units: Readonly<Record<string, string>> = { ms: "millis", s: "seconds" }

  /** A value as text, equal however it was written. */
  const plain = (written: string): string => {
    const bare = written.replaceAll(/[`"]/g, "")
    const [, digits, unit] = amount.exec(bare) ?? []
    if (digits === undefined) return bare
    const number = Number(digits.replaceAll(/[,_]/g, ""))
    if (unit === undefined) return String(number)
    return `${Duration.toMillis(Duration.fromInputUnsafe(`${number} ${units[unit] ?? unit}` as Duration.Input))} ms`
  }

  const inCode = (name: string): ReadonlyArray<string> => {
    const given = new RegExp(`\\b${name}(?: \\?\\?| =) ("[^"]*"|\\d[\\d_.]*)`, "g")
    return texts.flatMap((text) => Array.from(text.matchAll(given), ([, literal]) => plain(literal!)))
  }

  it("of doc comments are those of the code", () => {
    const value = /^(?:\d[\d.,]*(?: (?:ms|seconds?|minutes?|hours?))?|`"?[A-Z]?[a-z/_-]+"?`)(?=$|,)/
    const itemsOf = (text: string) =>
      text.split(/^ \*(?= - `|\n|\/| @)/m).map((item) => item.replaceAll(/\s*\n \* +/g, " ").trim())
    const stated = texts.flatMap(itemsOf).flatMap((item) => {
      const names = codesOf(/^- ((?:`\w+`(?:, )?)+):/.exec(item)?.[1] ?? "")
      const said = / Default: (.*?)\.?(?:$|\s(?=[A-Z`]))/.exec(item)?.[1] ?? ""
      const values = names.length === 1 ? [said] : said.split(", ")
      return names.flatMap((name, index) => {
        const one = value.exec(values[index]?.replace(/\.$/, "") ?? "")?.[0]
        return one === undefined ? [] : [{ name, value: plain(one) }]
      })
    })
    assert.isAbove(stated.length, 25)
    assert.deepStrictEqual(stated.filter(({ name, value }) => !inCode(name).includes(value)), [])
  })

  it("of the README and the decisions are those of the code", () => {
    const stated = ["README.md", ...records].flatMap((path) =>
      Array.from(
        read(path).matchAll(/`(\w+)`,? \(?(\d[\d,]*\s(?:ms|s|seconds|minutes))\)/g),
        ([, name, value]) => ({ path, name: name!, value: plain(value!.replace(/\s/, " ")) })
      )
    )
    assert.isAbove(stated.length, 8)
    assert.deepStrictEqual(stated.filter(({ name, value }) => !inCode(name).includes(value)), [])
  })
})
