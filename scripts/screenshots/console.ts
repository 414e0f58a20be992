/** The console in the middle of an incident, by day, by night and on a phone. */
import { NodeHttpServer } from "@effect/platform-node"
import { Effect, Layer, Redacted } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import { fileURLToPath } from "node:url"
import * as CircuitBreaker from "../../src/CircuitBreaker.ts"
import * as CircuitStore from "../../src/CircuitStore.ts"
import * as CircuitConsole from "../../src/console/CircuitConsole.ts"
import * as Outcome from "../../src/Outcome.ts"
import * as TripPolicy from "../../src/TripPolicy.ts"
import { browser } from "../../test/support/browser.ts"
import { incident } from "./incident.ts"

const Breaker = CircuitBreaker.layer({
  tripPolicy: TripPolicy.consecutive(5),
  openDuration: "90 seconds",
  classify: (exit) => exit._tag === "Success" ? Outcome.success : incident.classify(exit)
}).pipe(Layer.provide(CircuitStore.layerMemory))

const Server = HttpRouter.serve(
  CircuitConsole.layer({ title: "Models", operators: { "on call": Redacted.make("a-token-for-pictures") } }),
  { disableLogger: true, disableListenLog: true }
).pipe(
  Layer.provideMerge(Breaker),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, disablePreemptiveShutdown: true }))
)

const pictures = [
  { name: "console-light", colorScheme: "light", width: 1200, height: 826 },
  { name: "console-dark", colorScheme: "dark", width: 1200, height: 826 },
  { name: "console-phone", colorScheme: "light", width: 390, height: 844 }
] as const

/** Writes docs/images/console-*.png. */
export const console: Effect.Effect<void> = Effect.gen(function*() {
  yield* incident.play
  const server = yield* HttpServer.HttpServer
  const url = `${HttpServer.formatAddress(server.address)}/circuits`
  const chromium = yield* browser
  for (const { colorScheme, height, name, width } of pictures) {
    yield* Effect.promise(async () => {
      const page = await chromium.newPage({
        colorScheme,
        viewport: { width, height },
        reducedMotion: "reduce",
        timezoneId: "UTC"
      })
      await page.goto(url)
      await page.locator(".circuit").first().waitFor()
      const path = fileURLToPath(new URL(`../../docs/images/${name}.png`, import.meta.url))
      await page.screenshot({ path })
      await page.close()
    })
  }
}).pipe(
  Effect.provide(Server),
  Effect.scoped,
  // Before the server is there, which does something every second.
  (pictures) => Effect.andThen(TestClock.setTime(Date.UTC(2026, 0, 15, 14, 20)), pictures),
  Effect.provide(TestClock.layer()),
  Effect.orDie
)
