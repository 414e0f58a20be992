/** The gateway as a program, on a clock that runs `FAULTS_SCALE` times as fast. */
import { NodeRuntime } from "@effect/platform-node"
import { Cause, Effect, Exit } from "effect"
import { main } from "../../../examples/gateway.ts"
import * as ScaledClock from "./scaledClock.ts"

// However the test ends, its end of the pipe closes. The gateway must not stay only for that.
process.stdin.on("close", () => process.exit(1)).resume()
// In kilobytes.
process.stdin.on("data", () => console.log(`peak ${process.resourceUsage().maxRSS}`))
if ("unref" in process.stdin) process.stdin.unref()

main.pipe(
  Effect.provide(ScaledClock.layer(Number(process.env["FAULTS_SCALE"]))),
  NodeRuntime.runMain({
    teardown: (exit, onExit) => onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)
  })
)
