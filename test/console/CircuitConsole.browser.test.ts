// The console's page in a real browser.
import { NodeHttpServer } from "@effect/platform-node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import {
  CircuitBreaker,
  type CircuitEvent,
  CircuitStore,
  FailoverRoute,
  FailoverRouter,
  TripPolicy
} from "effect-resilience"
import { CircuitConsole } from "effect-resilience/console"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer } from "node:http"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { browser } from "../support/browser.ts"

const token = "correct-horse-battery-staple"
const operators = { "on call": Redacted.make(token) }

let chromium: Browser
const scope = Scope.makeUnsafe()
beforeAll(async () => {
  chromium = await Effect.runPromise(Scope.provide(browser, scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const serve = Effect.fnUntraced(function*(options: CircuitConsole.Options) {
  const context = yield* Layer.build(
    HttpRouter.serve(CircuitConsole.layer(options), { disableLogger: true, disableListenLog: true }).pipe(
      Layer.provideMerge(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) })),
      Layer.provideMerge(CircuitStore.layerMemory),
      Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
    )
  )
  const breaker = Context.get(context, CircuitBreaker.CircuitBreaker)
  const events: Array<CircuitEvent.CircuitEvent> = []
  yield* breaker.observe({ name: "test", onEvent: (event) => events.push(event) })
  const origin = HttpServer.formatAddress(Context.get(context, HttpServer.HttpServer).address)
  return { breaker, events, origin, url: `${origin}/circuits` }
})

/** A page that must ask its own origin only, break no policy and log no error but those that a test expects. */
const visit = Effect.fnUntraced(function*(
  url: string,
  options: BrowserContextOptions = {},
  expected = /^$/,
  prepare = () => {}
) {
  const problems: Array<string> = []
  const page = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const context = await chromium.newContext(options)
      await context.addInitScript(() => {
        document.addEventListener(
          "securitypolicyviolation",
          ({ violatedDirective }) => console.error(`violated ${violatedDirective}`)
        )
      })
      await context.addInitScript(prepare)
      const page = await context.newPage()
      page.setDefaultTimeout(60_000)
      page.on("request", (request) => {
        const asked = request.url()
        if (!asked.startsWith(new URL(url).origin) && asked !== "data:,") problems.push(`asked ${asked}`)
      })
      page.on("console", (message) => {
        if (message.type() === "error" && !expected.test(message.text())) problems.push(message.text())
      })
      page.on("pageerror", (error) => problems.push(String(error)))
      page.on("dialog", (dialog) => problems.push(`alert ${dialog.message()}`))
      await page.goto(url)
      await page.getByText("live", { exact: true }).waitFor()
      return page
    }),
    (page) => Effect.promise(() => page.context().close())
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => assert.deepStrictEqual(problems, [])))
  return page
})

const does = (action: () => Promise<unknown>) => Effect.asVoid(Effect.promise(action))
const circuit = (page: Page, key: string) => page.locator(".circuit").filter({ hasText: key })
const isWide = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth)

const signal = () => {
  let give = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { give, given }
}

const hostile = [
  "<img src=x onerror=alert(1)>",
  "\"><script>alert(2)</script>",
  "javascript:alert(3)",
  "</script><!--",
  "{{constructor.constructor('alert(4)')()}}",
  "‮desrever",
  "مرحبا/نموذج",
  "🔥🚒👩‍👩‍👧‍👦",
  "W".repeat(5_000)
]

describe("CircuitConsole's page", () => {
  it.live("shows an opening by itself, and what is known of it", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({ operators })
      const page = yield* visit(url)
      yield* does(() => page.getByText("No circuit has been used yet.").waitFor())
      yield* Effect.ignore(Effect.fail("503").pipe(breaker.execute({ key: "openai/gpt-5" })))
      const row = circuit(page, "openai/gpt-5")
      yield* does(() => row.getByText("Open", { exact: true }).waitFor())
      yield* does(() => row.getByText("Too many failures").waitFor())
      yield* does(() => row.getByText("unknown 1").waitFor())
      yield* does(() => row.getByText(/probe in \d+s/).waitFor())
      yield* does(() => page.locator("#events").getByText(/Opened for 1m 0s/).waitFor())
      yield* does(() => page.locator("#spoken").getByText("openai/gpt-5 is now open").waitFor({ state: "attached" }))
      yield* breaker.reset("openai/gpt-5")
      yield* does(() => row.getByText("Closed", { exact: true }).waitFor())
    }))

  it.live("shows an opening at its event, and does not wait for the next snapshot", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({})
      const withoutIntervals = () => {
        window.setInterval = () => 0 as never
      }
      const page = yield* visit(url, {}, /^$/, withoutIntervals)
      for (const key of ["one", "two", "three"]) {
        yield* Effect.ignore(Effect.fail("503").pipe(breaker.execute({ key })))
        yield* does(() => circuit(page, key).getByText("Open", { exact: true }).waitFor())
      }
    }))

  it.live("tells where routes go", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({})
      const context = yield* Layer.build(
        FailoverRouter.layer({ routes: [FailoverRoute.make("chat", { targets: ["us", "eu"] })] })
      ).pipe(
        Effect.provideService(CircuitBreaker.CircuitBreaker, breaker)
      )
      const { execute } = Context.get(context, FailoverRouter.FailoverRouter)
      const page = yield* visit(url)
      const events = page.locator("#events")
      yield* execute("chat", ({ name }) => name === "us" ? Effect.fail({ status: 503 }) : Effect.void)
      yield* does(() => events.getByText("us → eu, overloaded").waitFor())
      yield* Effect.ignore(execute("chat", () => Effect.fail({ status: 500 })))
      yield* does(() => events.getByText("No target served: eu, server error; us, open").waitFor())
    }))

  it.live("forces open with a reason and a time, in the name of the operator", () =>
    Effect.gen(function*() {
      const { breaker, events, url } = yield* serve({ operators })
      yield* Effect.void.pipe(breaker.execute({ key: "model" }))
      const page = yield* visit(url)
      yield* does(async () => {
        await circuit(page, "model").getByRole("button").click()
        await page.getByRole("radio", { name: "Force open" }).check()
        await page.getByLabel("For how long").selectOption("1 hour")
        await page.getByLabel("Reason").fill("bad release")
        await page.getByLabel("Token").fill(token)
        await page.getByRole("button", { name: "Force open" }).click()
        await circuit(page, "model").getByText("Forced open").waitFor()
        await circuit(page, "model").getByText("“bad release” — on call").waitFor()
      })
      const forced = events.find(({ event }) => event === "circuit.forced")
      assert(forced?.event === "circuit.forced")
      assert.deepStrictEqual(
        [forced.key, forced.note, forced.actor, forced.open_for_ms],
        ["model", "bad release", "on call", 3_600_000]
      )
      yield* does(async () => {
        await circuit(page, "model").getByRole("button").click()
        await page.getByLabel("Reason").fill("rolled back")
        await page.getByRole("button", { name: "Reset" }).click()
        await circuit(page, "model").getByText("Closed", { exact: true }).waitFor()
      })
      const kept = yield* Effect.promise(() =>
        page.evaluate(() =>
          JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])
        )
      )
      assert.notInclude(kept, token)
    }))

  it.live("is not taken back by what was asked for before an action and comes after it", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({ operators })
      yield* Effect.void.pipe(breaker.execute({ key: "model" }))
      const page = yield* visit(url)
      yield* does(async () => {
        const [taken, acted] = [signal(), signal()]
        await page.route("**/snapshot", async (route) => {
          const response = await route.fetch()
          taken.give()
          await acted.given
          await route.fulfill({ response })
        }, { times: 1 })
        await taken.given
        await circuit(page, "model").getByRole("button").click()
        await page.getByRole("radio", { name: "Force open" }).check()
        await page.getByLabel("Reason").fill("bad release")
        await page.getByLabel("Token").fill(token)
        await page.getByRole("button", { name: "Force open" }).click()
        await circuit(page, "model").getByText("Forced open").waitFor()
        const arrived = page.waitForResponse("**/snapshot")
        acted.give()
        await (await arrived).finished()
        await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn))))
        assert.isTrue(await circuit(page, "model").getByText("Forced open").isVisible())
      })
    }))

  it.live("says that a token is wrong", () =>
    Effect.gen(function*() {
      const { breaker, events, url } = yield* serve({ operators })
      yield* Effect.void.pipe(breaker.execute({ key: "model" }))
      const page = yield* visit(url, {}, /401/)
      yield* does(async () => {
        await circuit(page, "model").getByRole("button").click()
        await page.getByLabel("Reason").fill("because")
        await page.getByLabel("Token").fill("wrong")
        await page.getByRole("button", { name: "Force open" }).click()
        await page.getByText("Refused: the token is not an operator's.").waitFor()
      })
      assert.deepStrictEqual(events, [])
    }))

  it.live("can be worked with the keyboard only", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({ operators })
      yield* Effect.void.pipe(breaker.execute({ key: "model" }))
      const page = yield* visit(url)
      const { keyboard } = page
      const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? "")
      yield* does(async () => {
        await circuit(page, "model").waitFor()
        for (let n = 0; n < 20 && await focused() !== "Steer model"; n++) await keyboard.press("Tab")
        await keyboard.press("Enter")
        await keyboard.press("Escape")
        await page.locator("#dialog").waitFor({ state: "hidden" })
        await keyboard.press("Enter")
        await keyboard.press("ArrowDown")
        await keyboard.press("ArrowUp")
        await keyboard.press("Tab")
        await keyboard.press("Tab")
        await keyboard.type("by hand")
        await keyboard.press("Tab")
        await keyboard.type(token)
        await keyboard.press("Enter")
        await circuit(page, "model").getByText("Forced open").waitFor()
      })
      const state = yield* breaker.state("model")
      assert(state._tag === "ForcedOpen")
      assert.strictEqual(state.note, "by hand")
      assert.strictEqual(yield* Effect.promise(focused), "Steer model")
    }))

  it.live("shows hostile keys as text, on a phone too", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({ operators, title: "<script>alert(5)</script>" })
      for (const key of hostile) yield* Effect.ignore(Effect.fail("503").pipe(breaker.execute({ key })))
      yield* breaker.forceOpen("held", { reason: "<img src=x onerror=alert(6)>", actor: "<b>eve</b>" })
      for (const width of [1200, 360]) {
        const page = yield* visit(url, { viewport: { width, height: 800 } })
        yield* does(() => circuit(page, "<img src=x onerror=alert(6)>").getByText("<b>eve</b>").waitFor())
        const shown = yield* Effect.promise(() => page.locator(".circuit .key").allTextContents())
        assert.deepStrictEqual(
          new Set(shown),
          new Set([...hostile.map((key) => key.slice(0, 1_000)), "held"])
        )
        assert.strictEqual(yield* Effect.promise(() => page.locator("img, main script, main b b").count()), 0)
        assert.isFalse(yield* Effect.promise(() => isWide(page)), `${width}`)
        yield* does(() => circuit(page, "WWWWW").getByRole("button").click())
        assert.isFalse(yield* Effect.promise(() => isWide(page)), `dialog at ${width}`)
        const height = yield* Effect.promise(() => circuit(page, "WWWWW").evaluate((row) => row.clientHeight))
        assert.isBelow(height, 300)
        const sticksOut = yield* Effect.promise(() =>
          page.locator(".circuit").evaluateAll((rows) =>
            rows.filter((row) =>
              row.querySelector(".key")!.getBoundingClientRect().right > row.getBoundingClientRect().right
            ).length
          )
        )
        assert.strictEqual(sticksOut, 0)
      }
    }))

  it.live("is dark where people want it dark", () =>
    Effect.gen(function*() {
      const { url } = yield* serve({})
      const lightness = (colorScheme: "light" | "dark") =>
        Effect.flatMap(visit(url, { colorScheme }), (page) =>
          Effect.promise(() =>
            page.evaluate(() =>
              Number(/\d+/.exec(getComputedStyle(document.body).backgroundColor)?.[0])
            )
          ))
      assert.isAbove(yield* lightness("light"), 200)
      assert.isBelow(yield* lightness("dark"), 50)
    }))

  it.live("offers no action where nobody is an operator, and says why", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({})
      yield* breaker.disable("model")
      const page = yield* visit(url)
      yield* does(() => page.getByText("Read-only: this console has no operators").waitFor())
      yield* does(() => circuit(page, "model").waitFor())
      const enabled = yield* Effect.promise(() => page.locator("main button:enabled, dialog[open]").count())
      assert.strictEqual(enabled, 0)
    }))

  it.live("finds circuits by text and by state", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({})
      for (const key of ["openai/a", "openai/b", "mistral/a"]) yield* Effect.void.pipe(breaker.execute({ key }))
      yield* breaker.forceOpen("openai/b")
      const page = yield* visit(url)
      const shown = () => page.locator(".circuit:visible .key").allTextContents()
      yield* does(() => circuit(page, "openai/b").waitFor())
      assert.deepStrictEqual(yield* Effect.promise(shown), ["openai/b", "mistral/a", "openai/a"])
      yield* does(() => page.getByRole("searchbox").fill("OPENAI"))
      assert.deepStrictEqual(yield* Effect.promise(shown), ["openai/b", "openai/a"])
      yield* does(() => page.getByRole("button", { name: "1 forced open" }).click())
      assert.deepStrictEqual(yield* Effect.promise(shown), ["openai/b"])
      yield* does(() => page.getByRole("searchbox").fill("nothing"))
      yield* does(() => page.getByText("No circuit matches the filter.").waitFor())
    }))

  it.live("says that the connection is lost, and comes back", () =>
    Effect.gen(function*() {
      const { breaker, url } = yield* serve({})
      const page = yield* visit(url, {}, /ERR_INTERNET_DISCONNECTED/)
      yield* does(() => page.context().setOffline(true))
      yield* does(() => page.getByText(/^Connection lost\. This is what was known at/).waitFor())
      yield* breaker.forceOpen("meanwhile")
      yield* does(() => page.context().setOffline(false))
      yield* does(() => page.locator("#lost").waitFor({ state: "hidden" }))
      yield* does(() => circuit(page, "meanwhile").waitFor())
    }))
})
