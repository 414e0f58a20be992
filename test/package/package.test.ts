import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { publint } from "publint"
import * as Consumer from "./Consumer.ts"
import { announced, type CompileError, errorsOf, mistakes, readable } from "./mistakes.ts"
import { pack, type Tarball } from "./Tarball.ts"

const path = (of: string) => fileURLToPath(new URL(`../../${of}`, import.meta.url))

// The oldest that the library promises to run on, and the one that the repository itself runs on.
const nodes = {
  oldest: path("test/package/node22/node_modules/node/bin/node"),
  ours: path("node_modules/node/bin/node")
}

const compilers = Object.keys(Consumer.compilers) as ReadonlyArray<Consumer.Compiler>

const minutes = 60_000

let tarball: Tarball
beforeAll(() => {
  tarball = pack()
}, 6 * minutes)
afterAll(() => tarball?.remove())

describe("the package", () => {
  it("I66: brings the dashboards, the alerts and their runbook", () => {
    assert.sameMembers(tarball.files.filter((file) => file.startsWith("dashboards/")), [
      "dashboards/RUNBOOK.md",
      "dashboards/alerts.yml",
      "dashboards/circuits.json",
      "dashboards/failover.json"
    ])
  })

  it("brings its sources, what is built of them, and nothing else", () => {
    const others = tarball.files.filter((file) => !/^(?:src\/.+\.ts|dist\/.+(?:\.js|\.d\.ts)(?:\.map)?)$/.test(file))
    assert.sameMembers(others.filter((file) => !file.startsWith("dashboards/")), [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "package.json"
    ])
    const built = tarball.files.flatMap((file) => /^dist\/(.+)\.js$/.exec(file)?.[1] ?? [])
    assert.isNotEmpty(built)
    const emitted = built.flatMap((name) => ["js", "js.map", "d.ts", "d.ts.map"].map((kind) => `dist/${name}.${kind}`))
    assert.includeMembers([...tarball.files], [...built.map((name) => `src/${name}.ts`), ...emitted])
  })

  it("runs nothing where it is installed", () => {
    const { scripts } = JSON.parse(readFileSync(path("package.json"), "utf8"))
    assert.doesNotHaveAnyKeys(scripts, ["preinstall", "install", "postinstall", "prepare"])
  })

  it("follows the rules of publint", async () => {
    const file = readFileSync(tarball.path)
    const { messages } = await publint({
      strict: true,
      pack: { tarball: file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) }
    })
    assert.deepStrictEqual(messages, [])
  })

  it("has types for every entry, for users who import modules", () => {
    const attw = path("node_modules/@arethetypeswrong/cli/dist/index.js")
    execFileSync(process.execPath, [attw, tarball.path, "--profile", "esm-only"], { encoding: "utf8" })
  }, 6 * minutes)
})

describe("a project with nothing but effect", () => {
  let consumer: Consumer.Consumer
  beforeAll(() => {
    consumer = Consumer.make(tarball, "test/package/consumer")
    consumer.install("effect")
  }, 6 * minutes)
  afterAll(() => consumer?.remove())

  it("is given the oldest Node that package.json names", () => {
    const { engines } = JSON.parse(readFileSync(path("package.json"), "utf8"))
    assert.strictEqual(
      engines.node,
      `>=${
        execFileSync(nodes.oldest, ["-p", "process.versions.node"], {
          encoding: "utf8"
        }).replace(/\.\d+\n$/, "")
      }`
    )
  })

  it("type-checks, but for what the stores take from their clients", async () => {
    const { stdout } = await consumer.typeCheck("TypeScript 7")
    const errors = stdout.split("\n").map((line) => line.replace(/\(.*?\): error/, "").replace(/ or its .*/, ""))
    const missing = (file: string, client: string) =>
      `node_modules/effect-resilience/dist/${file}.d.ts TS2307: Cannot find module '${client}'`
    assert.sameMembers(errors, [
      missing("postgres/PostgresCircuitStore", "@effect/sql-pg"),
      missing("redis/RedisCircuitStore", "ioredis"),
      missing("redis/internal/ioredisPort", "ioredis")
    ])
  }, 6 * minutes)

  const runs = (program: string, prints: string) => {
    for (const [name, node] of Object.entries(nodes)) {
      it(`runs ${program} on ${name}`, async () => {
        const { ended, stderr, stdout } = await consumer.run(node, program)
        assert.deepStrictEqual([ended, stdout], [0, prints], stderr)
      }, 6 * minutes)
    }
  }

  runs("core.ts", "model is open")
  runs("modules.ts", "one of each")
  runs("ai.ts", "asked, rejected")
  runs("console.ts", "text/html, 0 circuits")
  runs("http.ts", "529 through a guarded client")
  runs("testing.ts", "circuit.opened, circuit.half_open, circuit.probe, circuit.closed")
  runs("effectRedis.ts", "called without ioredis")

  it.each([["redis.ts", "ioredis"], ["postgres.ts", "@effect/sql-pg"]])(
    "%s needs %s, and its error says how to install it",
    async (program, client) => {
      for (const node of Object.values(nodes)) {
        const { ended, stderr } = await consumer.run(node, program)
        assert.strictEqual(ended, 1)
        assert.include(stderr, `This store needs the package ${client}: install it with \`npm install ${client}\``)
      }
    },
    6 * minutes
  )

  describe("and then the clients, with the types of Node that they take", () => {
    beforeAll(() => consumer.install("ioredis", "@effect/sql-pg", "@types/node"), 6 * minutes)

    runs("redis.ts", "called without Redis")
    runs("postgres.ts", "called without PostgreSQL")

    describe.each(compilers)("for %s", (compiler) => {
      // One program has all of it, since most of the time a compiler reads what Effect declares.
      let errors: ReadonlyArray<CompileError>
      beforeAll(async () => {
        consumer.install("expect-type")
        consumer.add("test/types")
        consumer.add("test/package/mistakes")
        const { ended, stdout } = await consumer.typeCheck(compiler)
        // One that was killed has found nothing.
        assert.isNumber(ended)
        errors = errorsOf(stdout)
      }, 6 * minutes)

      it("type-checks, and every promise of the types is kept", () => {
        assert.deepStrictEqual(errors.filter(({ path }) => !path.startsWith("mistakes/")), [])
      })

      it.each(mistakes)("does not compile with a mistake, and the message says what is wrong: %s", (mistake) => {
        const found = errors.filter(({ path }) => path === `mistakes/${mistake}`)
        const expected = announced(mistake)
        assert.isNotEmpty(expected)
        assert.lengthOf(found, expected.length, found.flatMap(({ lines }) => lines).join("\n"))
        for (const [index, { code, lines }] of found.entries()) {
          const { codes, words } = expected[index]!
          assert.include(codes, code)
          assert.include(lines.slice(0, readable).join("\n"), words)
        }
      })
    })
  })
})
