/** A model in front of others. It hides the time and the failures of tool handlers from the circuits. */
import { Deferred, Effect, Fiber, Latch, Queue, Stream } from "effect"
import { LanguageModel } from "effect/ai"
import type { CircuitState } from "../../CircuitState.ts"
import type { Evidence } from "../../Evidence.ts"
import { busy, errorsOf, HandlerFailure, idle, isHandlerFailure } from "./judgement.ts"
import { promptEvidence } from "./promptEvidence.ts"
import { type CallOptions, type FoundTools, type Results, runApproved, toolsOf, ToolWatch } from "./tools.ts"

export type AnyEffect<A = unknown> = Effect.Effect<A, unknown, unknown>
export type AnyStream = Stream.Stream<unknown, unknown, unknown>

/** How a call reaches a model: through one circuit, or through a router. */
export interface Way {
  readonly supportsSystemMessagesInHistory: Effect.Effect<boolean> | undefined
  /** Fails if a call would be turned away now, and otherwise does nothing. */
  readonly admissible: (method: string) => AnyEffect
  /** Runs the call as one attempt. When it succeeds, there is no other attempt. */
  readonly execute: (
    method: string,
    call: (model: LanguageModel.LanguageModel) => AnyEffect,
    evidence: Evidence
  ) => AnyEffect
  /** Runs the call as one attempt. After `commit` there is no other attempt. */
  readonly stream: (
    call: (model: LanguageModel.LanguageModel, commit: Effect.Effect<void>) => AnyStream,
    evidence: Evidence
  ) => AnyStream
}

/** Whether a circuit certainly admits the next call. */
export const admitsAll = (state: CircuitState): boolean =>
  state._tag === "Disabled" || (state._tag === "Closed" && state.throttledFor === undefined && !state.ramping)

type Ask<A> = (model: LanguageModel.LanguageModel, options: CallOptions) => A

export const make = (way: Way): LanguageModel.LanguageModel => {
  /** Rejects before the handlers of approved calls run, because their effects cannot be undone. */
  const resultsOf = (method: string, tools: FoundTools): AnyEffect<Results> =>
    tools.approved.size === 0
      ? runApproved(tools)
      : Effect.andThen(way.admissible(method), runApproved(tools))

  const generate = (method: string, ask: Ask<AnyEffect>) => (options: CallOptions): AnyEffect =>
    Effect.flatMap(toolsOf(options), (tools) => {
      const evidence = promptEvidence(options.prompt)
      if (tools === undefined) return way.execute(method, (model) => ask(model, options), evidence)
      return Effect.scopedWith((scope) =>
        Effect.gen(function*() {
          const results = yield* resultsOf(method, tools)
          let answer: Answer | undefined
          yield* way.execute(method, (model) =>
            Effect.suspend(() => {
              const answered = Deferred.makeUnsafe<unknown, unknown>()
              const settled = Latch.makeUnsafe()
              const watch = new ToolWatch(tools, results, {
                begin: Effect.andThen(Deferred.succeed(answered, undefined), settled.await),
                end: Effect.void
              })
              return ask(model, watch.options).pipe(
                Effect.onExit((exit) => Deferred.done(answered, exit)),
                Effect.forkIn(scope),
                Effect.flatMap((fiber) => {
                  answer = { fiber, settled }
                  return Effect.onInterrupt(Deferred.await(answered), () => Fiber.interrupt(fiber))
                })
              )
            }), evidence)
          yield* answer!.settled.open
          return yield* Fiber.join(answer!.fiber)
        })
      )
    })

  const streamText = (ask: Ask<AnyStream>) => (options: CallOptions): AnyStream =>
    Stream.unwrap(Effect.gen(function*() {
      const tools = yield* toolsOf(options)
      const evidence = promptEvidence(options.prompt)
      if (tools === undefined) return way.stream((model) => ask(model, options), evidence)
      const results = yield* resultsOf("streamText", tools)
      const call = (model: LanguageModel.LanguageModel, commit: Effect.Effect<void>): AnyStream =>
        Stream.unwrap(Effect.gen(function*() {
          const queue = yield* Queue.make<unknown, unknown>()
          const watch = new ToolWatch(tools, results, {
            begin: Effect.andThen(commit, Queue.offer(queue, busy)),
            end: Queue.offer(queue, idle)
          })
          yield* ask(model, watch.options).pipe(
            // Signals again after every part that a handler is running, because each part lets the limits count again.
            Stream.mapArray((parts) => watch.running > 0 ? [...parts, busy] as const : parts),
            Stream.runIntoQueue(queue),
            Effect.forkScoped
          )
          return Stream.catchCause(
            Stream.fromQueue(queue),
            (cause): AnyStream =>
              errorsOf(cause).some((error) => watch.failures.has(error))
                ? Stream.fail(new HandlerFailure(cause))
                : Stream.failCause(cause)
          )
        }))
      return way.stream(call, evidence).pipe(
        Stream.filter((part) => part !== busy && part !== idle),
        Stream.catchIf(isHandlerFailure, ({ cause }) => Stream.failCause(cause)),
        // Unbounded, because `effect/ai` reads the provider into a queue without waiting for the consumer.
        Stream.buffer({ capacity: "unbounded" })
      )
    }))

  return LanguageModel.LanguageModel.of({
    [LanguageModel.TypeId]: LanguageModel.TypeId,
    supportsSystemMessagesInHistory: way.supportsSystemMessagesInHistory,
    // The methods are overloaded generics, whose inference a typed wrapper would lose.
    generateText: generate("generateText", (model, options) => model.generateText(options as never)) as never,
    generateObject: generate("generateObject", (model, options) => model.generateObject(options as never)) as never,
    streamText: streamText((model, options) => model.streamText(options as never)) as never
  })
}

/** An answer that is not complete. Its handlers wait until the circuit has settled the call. */
interface Answer {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly settled: Latch.Latch
}
