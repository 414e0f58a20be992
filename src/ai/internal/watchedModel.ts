/** A model in front of others, which keeps the time and the failures of tool handlers from those who judge them. */
import { Deferred, Effect, Fiber, Latch, Queue, Stream } from "effect"
import { LanguageModel } from "effect/ai"
import type { CircuitState } from "../../CircuitState.ts"
import { busy, errorsOf, HandlerFailure, idle, isHandlerFailure } from "./judgement.ts"
import { type CallOptions, type FoundTools, type Results, runApproved, toolsOf, ToolWatch } from "./tools.ts"

export type AnyEffect<A = unknown> = Effect.Effect<A, unknown, unknown>
export type AnyStream = Stream.Stream<unknown, unknown, unknown>

/** How a call gets to a model: through one circuit, or to one of several targets. */
export interface Way {
  readonly supportsSystemMessagesInHistory: Effect.Effect<boolean> | undefined
  /** Fails as a call would that is turned away now, and otherwise does nothing. */
  readonly admissible: (method: string) => AnyEffect
  /** The call is one attempt. When this succeeds no other is made. */
  readonly execute: (method: string, call: (model: LanguageModel.LanguageModel) => AnyEffect) => AnyEffect
  /** The call is one attempt. After `commit` no other is made. */
  readonly stream: (
    call: (model: LanguageModel.LanguageModel, commit: Effect.Effect<void>) => AnyStream
  ) => AnyStream
}

/** Whether a circuit is sure to take the next call. */
export const admitsAll = (state: CircuitState): boolean =>
  state._tag === "Disabled" || (state._tag === "Closed" && state.throttledFor === undefined && !state.ramping)

type Ask<A> = (model: LanguageModel.LanguageModel, options: CallOptions) => A

export const make = (way: Way): LanguageModel.LanguageModel => {
  /** Rejects before the handlers of approved calls have done what cannot be undone. */
  const resultsOf = (method: string, tools: FoundTools): AnyEffect<Results> =>
    tools.approved.size === 0
      ? runApproved(tools)
      : Effect.andThen(way.admissible(method), runApproved(tools))

  const generate = (method: string, ask: Ask<AnyEffect>) => (options: CallOptions): AnyEffect =>
    Effect.flatMap(toolsOf(options), (tools) => {
      if (tools === undefined) return way.execute(method, (model) => ask(model, options))
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
            }))
          yield* answer!.settled.open
          return yield* Fiber.join(answer!.fiber)
        })
      )
    })

  const streamText = (ask: Ask<AnyStream>) => (options: CallOptions): AnyStream =>
    Stream.unwrap(Effect.gen(function*() {
      const tools = yield* toolsOf(options)
      if (tools === undefined) return way.stream((model) => ask(model, options))
      const results = yield* resultsOf("streamText", tools)
      const call = (model: LanguageModel.LanguageModel, commit: Effect.Effect<void>): AnyStream =>
        Stream.unwrap(Effect.gen(function*() {
          const queue = yield* Queue.make<unknown, unknown>()
          const watch = new ToolWatch(tools, results, {
            begin: Effect.andThen(commit, Queue.offer(queue, busy)),
            end: Queue.offer(queue, idle)
          })
          yield* ask(model, watch.options).pipe(
            // Whatever comes while a handler runs, the provider may have nothing to say for now.
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
      return way.stream(call).pipe(
        Stream.filter((part) => part !== busy && part !== idle),
        Stream.catchIf(isHandlerFailure, ({ cause }) => Stream.failCause(cause)),
        // At the pace of the provider, which does not wait for the consumer: it writes into a queue.
        Stream.buffer({ capacity: "unbounded" })
      )
    }))

  return LanguageModel.LanguageModel.of({
    [LanguageModel.TypeId]: LanguageModel.TypeId,
    supportsSystemMessagesInHistory: way.supportsSystemMessagesInHistory,
    // Overloaded generics, which no wrapper can restate without losing inference.
    generateText: generate("generateText", (model, options) => model.generateText(options as never)) as never,
    generateObject: generate("generateObject", (model, options) => model.generateObject(options as never)) as never,
    streamText: streamText((model, options) => model.streamText(options as never)) as never
  })
}

/** An answer on its way. Its handlers wait until the circuit knows that the provider has answered. */
interface Answer {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly settled: Latch.Latch
}
