/** A real Chromium for tests and pictures. It asks for nothing by itself. */
import { Effect, type Scope } from "effect"
import { type Browser, chromium } from "playwright-core"
import { findProgram } from "./programs/findProgram.ts"
import * as programs from "./programs/programs.ts"

/** The browser, closed with the scope. */
export const browser: Effect.Effect<Browser, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({
      executablePath: findProgram(programs.chromium),
      args: [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync"
      ]
    })
  ),
  (browser) => Effect.promise(() => browser.close())
)
