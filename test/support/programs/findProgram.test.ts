import { assert, describe, it } from "@effect/vitest"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findProgram, type Machine } from "./findProgram.ts"
import { jq, promtool, redisServer } from "./programs.ts"
import { setup } from "./setup.ts"

const debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"

/** A machine with these programs, where apt-get adds one. It records what is done to it. */
const machine = (facts: Partial<Machine> & { readonly programs?: ReadonlyArray<string> }) => {
  const programs = new Set(facts.programs)
  const did: Array<string> = []
  const at: Machine = {
    env: { PATH: "/usr/bin:/opt/bin" },
    isRoot: true,
    osRelease: () => debian,
    isExecutable: (path) => programs.has(path),
    aptGet: (...args) => {
      did.push(args.join(" "))
      if (args[0] === "install") programs.add("/usr/bin/redis-server")
    },
    say: (line) => did.push(line),
    ...facts
  }
  return { at, did }
}

const assertSaid = (at: Machine, ...parts: ReadonlyArray<string>) => {
  try {
    findProgram(redisServer, at)
  } catch (error) {
    assert.instanceOf(error, Error)
    assert.notInclude(error.message, "\n")
    for (const part of parts) assert.include(error.message, part)
    return
  }
  assert.fail("it found one")
}

const manual = ["apt-get install redis-server", "brew install redis", "REDIS_SERVER"]

describe("findProgram", () => {
  it("takes the one that REDIS_SERVER names", () => {
    const { at, did } = machine({ env: { REDIS_SERVER: "/my/redis" }, programs: ["/my/redis"] })
    assert.strictEqual(findProgram(redisServer, at), "/my/redis")
    assert.deepStrictEqual(did, [])
  })

  it("says so if that is not executable, even with one on the PATH", () => {
    const env = { REDIS_SERVER: "/my/redis", PATH: "/usr/bin" }
    const { at, did } = machine({ env, programs: ["/usr/bin/redis-server"] })
    assertSaid(at, "REDIS_SERVER is /my/redis, which is not an executable file")
    assert.deepStrictEqual(did, [])
  })

  it("takes the first on the PATH", () => {
    const { at, did } = machine({ programs: ["/opt/bin/redis-server"] })
    assert.strictEqual(findProgram(redisServer, at), "/opt/bin/redis-server")
    assert.deepStrictEqual(did, [])
  })

  it("installs one as root on Debian and on what is like it, and says so", () => {
    for (const osRelease of [debian, "ID=ubuntu\nID_LIKE=debian\n", "ID=mint\nID_LIKE=\"ubuntu debian\"\n"]) {
      const { at, did } = machine({ osRelease: () => osRelease })
      assert.strictEqual(findProgram(redisServer, at), "/usr/bin/redis-server")
      assert.deepStrictEqual(did, [
        "redis-server is missing: installing redis-server with apt-get",
        "update",
        "install -y --no-install-recommends redis-server"
      ])
    }
  })

  it("tells how to install one elsewhere", () => {
    const fedora = machine({ osRelease: () => "ID=fedora\nHOME_URL=\"https://not.debian.org\"\n" })
    const user = machine({ isRoot: false })
    const mac = machine({ osRelease: () => "", isRoot: false })
    for (const { at, did } of [fedora, user, mac]) {
      assertSaid(at, "no redis-server on the PATH", ...manual)
      assert.deepStrictEqual(did, [])
    }
  })

  it("tells what apt-get said if that fails", () => {
    const aptGet = () => {
      throw Object.assign(new Error("Command failed"), { stderr: "W: slow\nE: Unable to locate package\n" })
    }
    assertSaid(machine({ aptGet }).at, "(E: Unable to locate package)", ...manual)
  })

  it("tells if there is none after the installation", () => {
    assertSaid(machine({ aptGet: () => {} }).at, "there is no redis-server on the PATH", ...manual)
  })

  it("knows an executable file of this machine", () => {
    const dir = mkdtempSync(join(tmpdir(), "redis-"))
    const file = join(dir, "redis-server")
    const before = process.env["REDIS_SERVER"]
    try {
      writeFileSync(file, "")
      for (const path of [file, dir, join(dir, "none")]) {
        process.env["REDIS_SERVER"] = path
        assert.throws(() => findProgram(redisServer), "not an executable file")
      }
      chmodSync(file, 0o755)
      process.env["REDIS_SERVER"] = file
      assert.strictEqual(findProgram(redisServer), file)
    } finally {
      rmSync(dir, { recursive: true })
      if (before === undefined) delete process.env["REDIS_SERVER"]
      else process.env["REDIS_SERVER"] = before
    }
  })

  it("is run by the global setup for the programs of the project, which the workers then know", () => {
    setup({ name: "fast" })
    for (const program of [promtool, jq]) assert.strictEqual(process.env[program.variable], findProgram(program))
  })
})
