/** Streams of targets that do what a script says, through a route. */
import { Cause, Effect, Exit, Fiber, Stream } from "effect"
import { FailoverRouter, Outcome, StreamSignal } from "effect-resilience"
import { TestClock } from "effect/testing"
import { classifyPart as ofPart, provider, ProviderFailed, type Step } from "../support/streams.ts"
import { type breaker, classify as ofExit, route } from "./targets.ts"

export type Script = ReadonlyArray<Step>

export const classify: NonNullable<FailoverRouter.Options["classify"]> = (exit) =>
  Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof ProviderFailed
    ? Outcome.failure("connection")
    : ofExit(exit)
/** As of any script, and parts that refuse: `refused`, `long`, `gate`. */
export const classifyPart = (part: string): StreamSignal.StreamSignal =>
  part === "refused" ?
    StreamSignal.failed(Outcome.ignored("content_policy"))
    : part === "long" ?
    StreamSignal.failed(Outcome.ignored("context_length"))
    : part === "gate" ?
    StreamSignal.failed(Outcome.throttled("9 seconds"))
    : ofPart(part)

/** Streams from `us` what the script says, and from the others a whole answer that names them. */
export const makeStreams = (us: Script, options: Partial<FailoverRouter.StreamOptions<string>> = {}) => {
  const asked: Array<string> = []
  const stream = FailoverRouter.stream("chat", ({ name }) => {
    asked.push(name)
    return name === "us" ? provider(...us) : provider([`open ${name}`], [`text ${name}`], ["finish"])
  }, { classifyPart, ...options })
  return { asked, stream }
}
/** Runs such a stream on healthy circuits to its end. */
export const streamed = (us: Script, options?: Partial<FailoverRouter.StreamOptions<string>>) =>
  Effect.gen(function*() {
    yield* FailoverRouter.reset("chat")
    const { asked, stream } = makeStreams(us, options)
    const fiber = yield* Effect.forkChild(Effect.exit(Stream.runCollect(stream)))
    yield* TestClock.adjust("1 hour")
    return { asked, exit: yield* Fiber.join(fiber) }
  })
/** The answer of `eu`. */
export const rescued: Exit.Exit<Array<string>> = Exit.succeed(["open eu", "text eu", "finish"])

/** A route of `us` and `eu`, unless its options say otherwise. */
export const Streams = (settings: Parameters<typeof route>[0] = {}, policy?: Parameters<typeof breaker>[0]) =>
  route({ targets: ["us", "eu"], ...settings }, { classify }, policy)
