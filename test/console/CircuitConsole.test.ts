// The console over real connections on the loopback interface.
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Redacted,
  Schema,
  Scope
} from "effect"
import { CircuitBreaker, type CircuitEvent, CircuitStore, Outcome, TripPolicy } from "effect-resilience"
import { CircuitConsole } from "effect-resilience/console"
import { HttpRouter, HttpServer } from "effect/http"
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { script } from "../../src/console/internal/page.ts"

const tsc = fileURLToPath(new URL("../../node_modules/.bin/tsc", import.meta.url))

const token = "correct-horse-battery-staple"
const operators = { "on call": Redacted.make(token) }

const policy = {
  tripPolicy: TripPolicy.consecutive(2),
  classify: (exit: Exit.Exit<unknown, unknown>) =>
    Exit.isSuccess(exit) ? Outcome.success : Outcome.failure("overloaded")
}

const app = (options: CircuitConsole.Options, disableLogger = true) =>
  HttpRouter.serve(CircuitConsole.layer(options), { disableLogger, disableListenLog: true }).pipe(
    Layer.provideMerge(CircuitBreaker.layer(policy)),
    Layer.provideMerge(CircuitStore.layerMemory),
    Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
  )

/** A server with a console, until the scope closes. */
const serve = Effect.fnUntraced(function*(options: CircuitConsole.Options = { operators }, disableLogger = true) {
  const context = yield* Layer.build(app(options, disableLogger))
  const breaker = Context.get(context, CircuitBreaker.CircuitBreaker)
  const { address } = Context.get(context, HttpServer.HttpServer)
  const origin = HttpServer.formatAddress(address)
  const events: Array<CircuitEvent.CircuitEvent> = []
  yield* breaker.observe({ name: "test", onEvent: (event) => events.push(event) })
  return { breaker, events, origin, url: `${origin}/circuits` }
})

const get = (url: string, init?: RequestInit) => Effect.promise(() => fetch(url, init))

const sum = (counts: ReadonlyArray<number>) => counts.reduce((total, count) => total + count, 0)

const decodeSnapshot = Schema.decodeUnknownEffect(CircuitConsole.Snapshot, { onExcessProperty: "error" })
const decodeCircuit = Schema.decodeUnknownEffect(CircuitConsole.Circuit, { onExcessProperty: "error" })

const snapshotOf = (url: string) =>
  get(`${url}/snapshot`).pipe(
    Effect.flatMap((response) => Effect.promise(() => response.json())),
    Effect.flatMap(decodeSnapshot)
  )

interface Order {
  readonly body?: BodyInit
  readonly headers?: Record<string, string>
  readonly action?: string
}

const post = (url: string, action: string, order: unknown, { body, headers }: Order = {}) =>
  get(`${url}/${action}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    body: body ?? JSON.stringify(order),
    duplex: "half"
  } as RequestInit)

const fails = Effect.fail("503")
const open = (breaker: CircuitBreaker.CircuitBreaker["Service"], key: string) =>
  Effect.ignore(fails.pipe(breaker.execute({ key }))).pipe(Effect.repeat({ times: 1 }))

const read = (response: Response) => {
  const reader = response.body!.getReader()
  let text = ""
  return {
    until: (wanted: string) =>
      Effect.promise(async () => {
        while (!text.includes(wanted)) {
          const { done, value } = await reader.read()
          if (done) throw new Error(`ended before ${wanted}`)
          text += new TextDecoder().decode(value)
        }
        return text
      }),
    end: Effect.promise(async () => {
      for (;;) {
        const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }))
        if (done) return text
        text += new TextDecoder().decode(value)
      }
    })
  }
}

/** Asks for events and does not read them. */
const stuck = (origin: string) =>
  Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const { hostname, port } = new URL(origin)
      const socket = connect(Number(port), hostname, () => {
        socket.write(`GET /circuits/events HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`)
        socket.once("readable", () => resume(Effect.succeed(socket)))
      })
      socket.on("error", () => undefined)
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

describe("CircuitConsole", () => {
  describe("page", () => {
    it.live("is one document that may load nothing", () =>
      Effect.gen(function*() {
        const { url } = yield* serve({ title: "<b>Models & more</b>" })
        const response = yield* get(url)
        const html = yield* Effect.promise(() => response.text())
        assert.strictEqual(response.status, 200)
        assert.match(response.headers.get("content-type")!, /^text\/html/)
        const policy = response.headers.get("content-security-policy")!
        for (
          const directive of [
            "default-src 'none'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'"
          ]
        ) assert.include(policy, directive)
        assert.notInclude(policy, "unsafe")
        assert.strictEqual(response.headers.get("x-content-type-options"), "nosniff")
        assert.strictEqual(response.headers.get("referrer-policy"), "no-referrer")
        assert.strictEqual(response.headers.get("cache-control"), "no-store")
        assert.isNull(response.headers.get("access-control-allow-origin"))
        assert.include(html, "<h1>&lt;b&gt;Models &amp; more&lt;/b&gt;</h1>")
        assert.notInclude(html, "innerHTML")
        assert.deepStrictEqual(html.match(/https?:\/\/[^"]*/g), ["http://www.w3.org/2000/svg"])
      }))

    it("has a script without type errors", () => {
      const directory = mkdtempSync(join(tmpdir(), "console-"))
      const file = join(directory, "script.js")
      writeFileSync(file, script)
      const options =
        "--allowJs --checkJs --noEmit --strict false --target es2023 --lib es2023,dom,dom.iterable --types"
      const { stdout } = spawnSync(tsc, [...options.split(" "), "", file], { cwd: directory, encoding: "utf8" })
      rmSync(directory, { recursive: true })
      assert.strictEqual(stdout, "")
    })

    it.live("is wherever it is mounted", () =>
      Effect.gen(function*() {
        const { origin } = yield* serve({ path: "/deep/down/" })
        for (const path of ["/deep/down", "/deep/down/", "/deep/down/snapshot"]) {
          assert.strictEqual((yield* get(`${origin}${path}`)).status, 200, path)
        }
        const root = yield* serve({ path: "/" })
        assert.strictEqual((yield* get(`${root.origin}/`)).status, 200)
        assert.strictEqual((yield* get(`${root.origin}/snapshot`)).status, 200)
      }))
  })

  describe("options", () => {
    const rejected = (options: CircuitConsole.Options) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(Layer.build(app(options)))
        assert(Exit.isFailure(exit))
        const [reason] = exit.cause.reasons
        assert(reason?._tag === "Die")
        return String((reason.defect as Error).message)
      })

    it.live("are checked, and no token is shown", () =>
      Effect.gen(function*() {
        assert.include(yield* rejected({ operators: { ann: Redacted.make("") } }), "operators.ann must be a token")
        const spaced = yield* rejected({ operators: { ann: Redacted.make("two words") } })
        assert.include(spaced, "operators.ann must be a token")
        assert.notInclude(spaced, "two words")
        const same = { ann: Redacted.make(token), bob: Redacted.make(token) }
        const twice = yield* rejected({ operators: same })
        assert.include(twice, "operators.bob must be a token that no other actor has")
        assert.notInclude(twice, token)
        assert.include(yield* rejected({ operators: { " ": Redacted.make(token) } }), "operators must be labelled")
        assert.include(yield* rejected({ maxEvents: 0 }), "maxEvents must be")
        assert.include(yield* rejected({ path: "/circuits?" }), "path must be")
      }))

    it.live("can come from the environment", () =>
      Effect.gen(function*() {
        const build = (TOKEN: string) =>
          Layer.build(
            CircuitConsole.layerConfig(
              Config.all({ operators: Config.all({ "on call": Config.Redacted("TOKEN") }) })
            ).pipe(
              Layer.provide(HttpRouter.layer),
              Layer.provide(CircuitBreaker.layerNoop),
              Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ TOKEN })))
            )
          )
        yield* build(token)
        const error = yield* Effect.flip(build("with space"))
        assert.strictEqual(error._tag, "ConfigError")
        assert.notInclude(String(error), "with space")
      }))
  })

  describe("snapshot", () => {
    it.live("tells of every state", () =>
      Effect.gen(function*() {
        const { breaker, url } = yield* serve()
        yield* Effect.void.pipe(breaker.execute({ key: "fine" }))
        yield* open(breaker, "broken")
        yield* Effect.ignore(fails.pipe(breaker.execute({ key: "broken" })))
        yield* breaker.forceOpen("held", { for: "1 hour", reason: "bad release", actor: "ann" })
        yield* breaker.disable("watched", { reason: "load test", actor: "bob" })
        const snapshot = yield* snapshotOf(url)
        const [broken, held, watched, fine] = snapshot.circuits
        assert.deepStrictEqual(snapshot.circuits.map(({ key, state }) => [key, state]), [
          ["broken", "open"],
          ["held", "forced_open"],
          ["watched", "disabled"],
          ["fine", "closed"]
        ])
        assert.deepStrictEqual(snapshot.states, { closed: 1, open: 1, half_open: 0, forced_open: 1, disabled: 1 })
        assert.strictEqual(snapshot.circuits_total, 4)
        assert.isTrue(snapshot.actions)
        assert.strictEqual(broken!.reason, "threshold")
        assert.strictEqual(broken!.skips, 1)
        assert.deepStrictEqual([broken!.calls.failure, broken!.calls.rejected_open], [2, 1])
        assert.deepStrictEqual(broken!.failure_kinds, [{ kind: "overloaded", calls: 2 }])
        const { failed, passed, rejected } = broken!.trend
        assert.deepStrictEqual([passed, failed, rejected].map((counts) => [counts.length, sum(counts)]), [
          [30, 0],
          [30, 2],
          [30, 1]
        ])
        assert.isAbove(broken!.retry_after_ms!, 50_000)
        assert.isAtMost(broken!.since!, snapshot.at)
        assert.deepStrictEqual(broken!.timeline.map(({ from, state }) => [from, state]), [["closed", "open"]])
        assert.deepStrictEqual([held!.note, held!.actor], ["bad release", "ann"])
        assert.deepStrictEqual([watched!.note, watched!.actor], ["load test", "bob"])
        assert.deepStrictEqual([fine!.calls.success, typeof fine!.median_ms], [1, "number"])
        assert.deepStrictEqual(snapshot.events.map(({ event, id }) => [id, event.event]), [
          [1, "circuit.failure"],
          [2, "circuit.opened"],
          [3, "circuit.forced"],
          [4, "circuit.disabled"]
        ])
      }))

    it.live("keeps the last events and counts those before", () =>
      Effect.gen(function*() {
        const { breaker, url } = yield* serve({ maxEvents: 3 })
        for (let n = 0; n < 4; n++) {
          yield* breaker.forceOpen("key")
          yield* breaker.reset("key")
        }
        const { events, events_dropped } = yield* snapshotOf(url)
        assert.deepStrictEqual(events.map(({ id }) => id), [6, 7, 8])
        assert.strictEqual(events_dropped, 5)
      }))

    it.live("lists a thousand of ten thousand circuits, those in trouble first", () =>
      Effect.gen(function*() {
        const { breaker, url } = yield* serve()
        for (let n = 0; n < 10_000; n++) yield* Effect.void.pipe(breaker.execute({ key: `fine-${n}` }))
        yield* open(breaker, "zzz")
        const snapshot = yield* snapshotOf(url)
        assert.strictEqual(snapshot.circuits.length, 1_000)
        assert.deepStrictEqual([snapshot.circuits[0]!.key, snapshot.circuits[0]!.state], ["zzz", "open"])
        assert.deepStrictEqual([snapshot.circuits_total, snapshot.circuits_unlisted], [10_001, 9_001])
        assert.strictEqual(snapshot.states.closed, 10_000)
      }))
  })

  describe("orders", () => {
    it.live("do what they say, in the name of their actor", () =>
      Effect.gen(function*() {
        const { events, url } = yield* serve()
        const orders = [
          ["force-open", { for_ms: 60_000 }, "forced_open"],
          ["reset", {}, "closed"],
          ["disable", {}, "disabled"],
          ["enable", {}, "closed"],
          ["force-open", {}, "forced_open"]
        ] as const
        for (const [action, more, state] of orders) {
          const response = yield* post(url, action, { key: "model", reason: ` ${action} now `, ...more })
          assert.strictEqual(response.status, 200)
          const circuit = yield* decodeCircuit(yield* Effect.promise(() => response.json()))
          assert.deepStrictEqual([circuit.key, circuit.state], ["model", state])
          assert.strictEqual(circuit.retry_after_ms === undefined, !("for_ms" in more))
        }
        assert.deepStrictEqual(
          events.map((event) => [event.event, "note" in event && event.note, "actor" in event && event.actor]),
          [
            ["circuit.forced", "force-open now", "on call"],
            ["circuit.reset", "reset now", "on call"],
            ["circuit.disabled", "disable now", "on call"],
            ["circuit.enabled", "enable now", "on call"],
            ["circuit.forced", "force-open now", "on call"]
          ]
        )
      }))

    it.live("change nothing when they are refused", () =>
      Effect.gen(function*() {
        const { breaker, events, url } = yield* serve()
        yield* breaker.forceOpen("held")
        yield* Effect.void.pipe(breaker.execute({ key: "fine" }))
        const before = (yield* breaker.states).map(({ _tag, generation, key }) => ({ _tag, generation, key }))
        const heard = events.length
        const order = { key: "fine", reason: "because" }
        const chunked = () =>
          new ReadableStream({
            start(controller) {
              for (let n = 0; n < 20; n++) controller.enqueue(new Uint8Array(1_000).fill(32))
              controller.close()
            }
          })
        const refused: ReadonlyArray<readonly [status: number, says: string, unknown, Order?]> = [
          [401, "a token is required", order, { headers: { authorization: "" } }],
          [401, "the token is not", order, { headers: { authorization: "Bearer wrong" } }],
          [401, "the token is not", order, { headers: { authorization: `Bearer ${token}x` } }],
          [401, "the token is not", order, { headers: { authorization: `Basic ${token}` } }],
          [403, "other sites", order, { headers: { "sec-fetch-site": "cross-site" } }],
          [415, "must be application/json", order, { headers: { "content-type": "text/plain" } }],
          [415, "must be application/json", order, { headers: { "content-type": "application/jsonp" } }],
          [413, "8192 bytes", { ...order, reason: "x".repeat(9_000) }],
          [413, "8192 bytes", undefined, { body: chunked() }],
          [400, "not JSON", undefined, { body: "{" }],
          [400, "not JSON", undefined, { body: "" }],
          [400, "not JSON", undefined, { body: new Uint8Array([0x22, 0xff, 0x22]) }],
          [400, "", []],
          [400, "key: ", { reason: "because" }],
          [400, "key: must not be empty", { ...order, key: "" }],
          [400, "reason: ", { key: "fine" }],
          [400, "reason: must be one line", { ...order, reason: " " }],
          [400, "reason: must be one line", { ...order, reason: "two\nlines" }],
          [400, "reason: must be one line", { ...order, reason: "two\u2028lines" }],
          [400, "reason: must be one line", { ...order, reason: "\u202eesrever" }],
          [400, "reason: must be one line", { ...order, reason: "x".repeat(501) }],
          [400, "force: ", { ...order, force: true }],
          [400, "for_ms: must be a whole number", { ...order, for_ms: 0 }],
          [400, "for_ms: must be a whole number", { ...order, for_ms: 1.5 }],
          [400, "for_ms: must be a whole number", { ...order, for_ms: 1e15 }],
          [400, "for_ms: ", { ...order, for_ms: "1" }],
          [400, "for_ms: ", { ...order, for_ms: 1 }, { action: "reset" }],
          [404, "no circuit", { ...order, key: "unknown" }, { action: "reset" }],
          [404, "no circuit", { ...order, key: "unknown" }, { action: "enable" }]
        ]
        for (const [status, says, body, more = {}] of refused) {
          const response = yield* post(url, more.action ?? "force-open", body, more)
          const { error } = yield* Effect.promise(() => response.json() as Promise<{ readonly error: string }>)
          assert.strictEqual(response.status, status, JSON.stringify([says, error]))
          assert.include(error, says)
          assert.strictEqual(response.headers.get("www-authenticate"), status === 401 ? "Bearer" : null)
        }
        assert.strictEqual((yield* get(`${url}/reset`)).status, 404)
        assert.strictEqual((yield* get(`${url}/reset`, { method: "DELETE" })).status, 404)
        const after = (yield* breaker.states).map(({ _tag, generation, key }) => ({ _tag, generation, key }))
        assert.deepStrictEqual(after, before)
        assert.strictEqual(events.length, heard)
      }))

    it.live("are refused where nobody is an operator", () =>
      Effect.gen(function*() {
        const { breaker, url } = yield* serve({ operators: {} })
        const response = yield* post(url, "force-open", { key: "model", reason: "because" })
        assert.strictEqual(response.status, 403)
        assert.isFalse((yield* snapshotOf(url)).actions)
        assert.deepStrictEqual(yield* breaker.states, [])
      }))

    it.live("leave no trace of the token", () =>
      Effect.gen(function*() {
        const said: Array<string> = []
        const logger = Logger.make((entry) => {
          said.push(JSON.stringify([entry.message, String(entry.cause)]))
        })
        const { events, url } = yield* serve({ operators }, false).pipe(Effect.provide(Logger.layer([logger])))
        for (const authorization of [`Bearer ${token}`, `Bearer ${token}?`, `Basic ${token}`]) {
          const response = yield* post(url, "disable", { key: "model", reason: "because" }, {
            headers: { authorization }
          })
          said.push(yield* Effect.promise(() => response.text()), JSON.stringify([...response.headers]))
        }
        for (const path of ["", "/snapshot"]) {
          said.push(yield* Effect.promise(async () => (await fetch(url + path)).text()))
        }
        assert.isTrue(said.some((text) => text.includes("Sent HTTP response")))
        assert.strictEqual(events.length, 1)
        assert.notInclude(JSON.stringify([said, events]), token)
      }))
  })

  describe("events", () => {
    it.live("come as they happen, numbered", () =>
      Effect.gen(function*() {
        const { breaker, url } = yield* serve()
        yield* breaker.forceOpen("before")
        const response = yield* get(`${url}/events`)
        assert.strictEqual(response.headers.get("content-type"), "text/event-stream")
        const { until } = read(response)
        yield* until("retry:")
        yield* breaker.forceOpen("model")
        const text = yield* until("\"key\":\"model\"")
        assert.match(text, /id: 2\ndata: \{"event":"circuit\.forced"/)
        assert.notInclude(text, "dropped")
      }))

    it.live("reach a client that does not read in part, and slow nobody", () =>
      Effect.gen(function*() {
        const { breaker, origin, url } = yield* serve()
        const total = 50_000
        const attentive = yield* Effect.forkChild(read(yield* get(`${url}/events`)).until(`id: ${total}\n`))
        const socket = yield* stuck(origin)
        let finished = 0
        for (let n = 0; n < total / 2; n++) {
          yield* breaker.forceOpen("model")
          yield* breaker.reset("model")
          yield* Effect.void.pipe(breaker.execute({ key: "model" }))
          finished++
          if (n % 50 === 0) yield* Effect.sleep(0)
        }
        assert.strictEqual(finished, total / 2)
        const all = yield* Fiber.join(attentive)
        assert.notInclude(all, "dropped")

        const text = yield* Effect.callback<string>((resume) => {
          let text = ""
          socket.on("data", (chunk) => {
            text += chunk.toString()
            if (text.includes(`id: ${total}\n`)) resume(Effect.succeed(text))
          })
        })
        const received = text.match(/^id: /gm)!.length
        const dropped = Array.from(text.matchAll(/^data: \{"dropped":(\d+)\}/gm), ([, count]) => Number(count))
        assert.isAbove(dropped.length, 0)
        assert.strictEqual(received + sum(dropped), total)
      }))

    it.live("are for a hundred clients, and a place is free when one leaves", () =>
      Effect.gen(function*() {
        const { url } = yield* serve()
        const controllers = Array.from({ length: 100 }, () => new AbortController())
        const responses = yield* Effect.forEach(
          controllers,
          ({ signal }) => get(`${url}/events`, { signal }),
          { concurrency: 20 }
        )
        assert.deepStrictEqual(new Set(responses.map(({ status }) => status)), new Set([200]))
        const refused = yield* get(`${url}/events`)
        assert.strictEqual(refused.status, 503)
        assert.strictEqual(refused.headers.get("retry-after"), "10")
        controllers[0]!.abort()
        const again = yield* get(`${url}/events`).pipe(
          Effect.tap(Effect.sleep(20)),
          Effect.repeat({ until: ({ status }) => status === 200, times: 100 })
        )
        assert.strictEqual(again.status, 200)
        for (const controller of controllers) controller.abort()
        yield* Effect.promise(() => again.body!.cancel())
      }))

    it.live("end when the server closes, also for a client that does not read", () =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const { breaker, origin, url } = yield* Scope.provide(serve(), scope)
        const { end, until } = read(yield* get(`${url}/events`))
        yield* until("retry:")
        yield* stuck(origin)
        for (let n = 0; n < 20_000; n++) {
          yield* breaker.forceOpen("model")
          yield* breaker.reset("model")
          if (n % 50 === 0) yield* Effect.sleep(0)
        }
        const ended = yield* Effect.forkChild(end)
        // The server itself would wait for 20 seconds.
        yield* Scope.close(scope, Exit.void).pipe(Effect.timeout("10 seconds"))
        assert.include(yield* Fiber.join(ended), "circuit.reset")
      }))

    it.live("end when the layer closes, without a server", () =>
      Effect.gen(function*() {
        const breaker = yield* Deferred.make<CircuitBreaker.CircuitBreaker["Service"]>()
        const { dispose, handler } = HttpRouter.toWebHandler(
          CircuitConsole.layer().pipe(
            Layer.provide(
              Layer.effectDiscard(
                Effect.flatMap(CircuitBreaker.CircuitBreaker, (service) => Deferred.succeed(breaker, service))
              ).pipe(Layer.provideMerge(CircuitBreaker.layer()))
            ),
            Layer.provide(CircuitStore.layerMemory),
            Layer.provide(HttpServer.layerServices)
          ),
          { disableLogger: true }
        )
        const response = yield* Effect.promise(() => handler(new Request("http://localhost/circuits/events")))
        const { end, until } = read(response)
        yield* until("retry:")
        yield* (yield* Deferred.await(breaker)).forceOpen("model")
        yield* until("circuit.forced")
        yield* Effect.promise(() => dispose())
        assert.include(yield* end, "circuit.forced")
      }))
  })

  it.live("is gone from the breaker when it closes", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Layer.merge(
        CircuitBreaker.layer().pipe(Layer.provideMerge(CircuitStore.layerMemory)),
        HttpRouter.layer
      ))
      const { hub } = Context.get(context, CircuitStore.CircuitStore)
      assert.isFalse(hub.listening)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Layer.build(CircuitConsole.layer().pipe(Layer.provide(Layer.succeedContext(context))))
        assert.isTrue(hub.listening)
      }))
      assert.isFalse(hub.listening)
    }))
})
