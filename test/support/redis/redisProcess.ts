/** A process of redis-server: ready when it is there, and gone when this process is gone. */
import { Data, Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { findProgram } from "../programs/findProgram.ts"
import { redisServer } from "../programs/programs.ts"

export class AddressInUse extends Data.TaggedError("AddressInUse") {}

/** Starts redis-server and waits until it accepts connections. One that gives up first is a defect, with its log. */
export const start = (args: ReadonlyArray<string>): Effect.Effect<ChildProcess, AddressInUse> =>
  Effect.callback((resume) => {
    const child = spawn(findProgram(redisServer), args, { stdio: ["ignore", "pipe", "ignore"] })
    child.once("spawn", () => guard(child))
    child.once("error", (error) => resume(Effect.die(error)))
    let log = ""
    const read = (chunk: Buffer) => {
      log += chunk
      // A sentinel says its id instead.
      if (!/Ready to accept connections|Sentinel ID is/.test(log)) return
      child.stdout.off("data", read).resume()
      resume(Effect.succeed(child))
    }
    child.stdout.on("data", read)
    // Not "exit", which may come before the end of the log.
    child.once("close", () =>
      resume(
        log.includes("Address already in use")
          ? Effect.fail(new AddressInUse())
          : Effect.die(new Error(`redis-server did not start:\n${log}`))
      ))
  })

/**
 * Vitest ends its workers with signals, and then no "exit" handler of theirs runs. But their end of a pipe closes
 * however they end: so a shell waits for that, in a session of its own where no Ctrl-C reaches it, and kills the server.
 */
const guard = (child: ChildProcess) => {
  const shell = spawn("sh", ["-c", "read _; kill -9 \"$0\"", `${child.pid}`], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"]
  })
  child.once("exit", () => shell.kill("SIGKILL"))
}

/** SIGKILL, which a frozen process obeys too. Done when the process is gone. */
export const kill = (child: ChildProcess): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
