/** Streams through a breaker and through a router: whole, cut, stalled, failing, and left by their consumers. */
import { Effect, Exit, Fiber, Stream } from "effect"
import { CircuitBreaker, FailoverRouter, Outcome, StreamSignal } from "effect-resilience"
import { type Attempt, compare, type Verdict } from "./Attempt.ts"
import { attemptAt, type Call } from "./calls.ts"
import type { Plan } from "./Dependency.ts"
import type { Dice } from "./Dice.ts"
import type { Member } from "./Member.ts"
import { route, targetOf } from "./targets.ts"

interface Part {
  readonly signal: "opener" | "content" | "finish"
}

type Ending = "finish" | "cut" | "stall" | "failure" | "defect" | "interruption"

const classifyPart = ({ signal }: Part): StreamSignal.StreamSignal =>
  signal === "opener"
    ? StreamSignal.alive
    : signal === "content"
    ? StreamSignal.content
    : StreamSignal.finish(Outcome.success)

/** What a provider sends, watched: the parts that it gave out are in `sent`. */
const answer = (attempt: Attempt, { ends, fact, millis }: Plan, sent: Array<Part>, dice: Dice) => {
  const ending: Ending = ends === "value" ? dice.pick(["finish", "finish", "finish", "finish", "cut", "stall"]) : ends
  const contents = dice.between(0, 6)
  const parts: ReadonlyArray<Part> = [
    { signal: "opener" },
    ...Array.from({ length: contents }, (): Part => ({ signal: "content" })),
    ...ending === "finish" ? [{ signal: "finish" } as const] : []
  ]
  const spaced = Stream.fromArray(parts).pipe(
    Stream.mapEffect((part) =>
      Effect.as(Effect.sleep(millis / parts.length), part).pipe(Effect.tap(() => Effect.sync(() => sent.push(part))))
    )
  )
  const last: Record<Ending, Effect.Effect<never, object> | undefined> = {
    finish: undefined,
    cut: undefined,
    stall: Effect.never,
    failure: Effect.fail(fact),
    defect: Effect.die(fact),
    interruption: Effect.interrupt
  }
  const end = last[ending]
  const whole: Stream.Stream<Part, object> = end === undefined ? spaced : Stream.concat(spaced, Stream.fromEffect(end))
  // The scope is the stream's, so it ends as the stream does.
  return Stream.unwrap(Effect.as(
    Effect.acquireRelease(Effect.sync(attempt.begin), (from, exit) => Effect.sync(() => attempt.end(from, exit))),
    whole
  ))
}

/** Consumes a stream as a caller does who may have enough, or go. */
const consumed = Effect.fnUntraced(function*<E, R>(self: Stream.Stream<Part, E, R>, dice: Dice) {
  const got: Array<Part> = []
  const enough = dice.chance(0.15) ? dice.between(1, 3) : Infinity
  const leaves = dice.chance(0.2)
  const taken = Number.isFinite(enough) ? Stream.take(self, enough) : self
  const fiber = yield* Effect.forkChild(Stream.runForEach(taken, (part) => Effect.sync(() => void got.push(part))))
  if (leaves) {
    yield* Effect.sleep(dice.between(0, 20))
    yield* Fiber.interrupt(fiber)
  }
  return { exit: yield* Fiber.await(fiber), got, left: leaves || got.length === enough }
})

/** The parts that came have to be the first ones of those that were sent, and all of them if the stream ended well. */
const judged = (
  attempt: Attempt,
  sent: ReadonlyArray<Part>,
  { exit, got, left }: {
    readonly exit: Exit.Exit<unknown, unknown>
    readonly got: ReadonlyArray<Part>
    readonly left: boolean
  }
): Verdict => {
  if (got.some((part, index) => part !== sent[index])) {
    return { result: "stream", wrong: "its parts are not the provider's" }
  }
  if (attempt.running > 0) return { result: "stream", wrong: "it still runs" }
  if (Exit.isFailure(exit)) return compare(attempt, exit, { left, limits: ["StreamCut", "AttemptTimedOut"] })
  if (left) return { result: "left" }
  const whole = got.length === sent.length && got.at(-1)?.signal === "finish"
  return { result: "success", wrong: whole ? undefined : `${got.length} parts of ${sent.length}, without a finish` }
}

export const streamed: Call = (member, key, dice) =>
  Effect.gen(function*() {
    const attempt = attemptAt(member, key)
    const sent: Array<Part> = []
    const guarded = answer(attempt, member.dependency.plan(targetOf(key), dice), sent, dice).pipe(
      CircuitBreaker.stream({
        key,
        classifyPart,
        idleTimeout: dice.between(25, 60),
        settleProbeAt: dice.pick(["finish", "first_content"])
      })
    )
    return judged(attempt, sent, yield* consumed(guarded, dice))
  })

export const routedStream: Call = (member: Member, _key, dice) =>
  Effect.gen(function*() {
    const legs: Array<{ readonly attempt: Attempt; readonly sent: Array<Part> }> = []
    const routed = FailoverRouter.stream(route, ({ key }) => {
      const leg = { attempt: attemptAt(member, key), sent: [] }
      legs.push(leg)
      return answer(leg.attempt, member.dependency.plan(key, dice), leg.sent, dice)
    }, { classifyPart, rescue: dice.between(0, 3), deadline: "400 millis" })
    const taken = yield* consumed(routed, dice)
    if (legs.some(({ attempt }) => attempt.running > 0)) return { result: "stream", wrong: "it still runs" }
    const from = legs.find(({ sent }) => sent[0] === taken.got[0])
    if (taken.got.length > 0 && from === undefined) return { result: "stream", wrong: "its parts are nobody's" }
    if (Exit.isFailure(taken.exit)) {
      const torn = taken.got.some((part, index) => part !== from?.sent[index])
      return { result: "failed over in vain", wrong: torn ? "parts of two answers are mixed" : undefined }
    }
    return judged(from?.attempt ?? legs.at(-1)!.attempt, from?.sent ?? [], taken)
  })
