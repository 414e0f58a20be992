/**
 * A `LanguageModel` behind a circuit: the same service, so nothing that uses it changes.
 *
 * Every call of the service is one call of the circuit. What is judged is the provider's part of it:
 *
 * | what happens | counts as |
 * | --- | --- |
 * | the provider answers | success; with `content-filter` as the reason of its finish, ignored |
 * | the provider fails, in whatever way | what `classify` says of its `AiError`, or of the part that reports it |
 * | the stream ends without its finish, or makes no progress in time | a failure, as for `CircuitBreaker.stream` |
 * | the answer is not the object that was asked for | ignored |
 * | a tool handler fails or dies, takes its time, or the caller goes away | nothing, or ignored |
 *
 * Tool handlers run inside the calls of the service, so those of the given toolkit are watched:
 *
 * - `generateText` and `generateObject`: the first handler means that the provider has answered. The call of the
 *   circuit ends there, with success, and then the handlers run, outside of it.
 * - `streamText`: while a handler runs, neither `firstContentTimeout` nor `idleTimeout` counts, and a stream that fails
 *   with what a handler failed with is ignored.
 * - Handlers of calls that were approved in the history run before the provider is asked, and the call of the circuit
 *   begins after them. A circuit that is open rejects before they run.
 *
 * What the breaker adds surfaces as an `AiError`, the one error the service promises, with the breaker's error as the
 * `cause` of its `reason`; `circuitErrorOf` finds it:
 *
 * | the breaker says | the `AiError` has the reason | `isRetryable` | `retryAfter` |
 * | --- | --- | --- | --- |
 * | open, throttled, half-open, held open for a time | `RateLimitError`, the one that can carry a wait | yes | its wait, if known |
 * | held open without an end | `UnknownError` | no | none |
 * | cut off, or cut short | `InternalProviderError` | yes | none |
 *
 * **Gotchas**
 *
 * - With a toolkit, `streamText` of `effect/ai` drains the provider into an unbounded queue, whatever the pace of the
 *   consumer, and holds the finish back until every handler is done. The guard keeps the pace of the provider, so a
 *   slow consumer delays no verdict, but handlers do: a probe keeps its slot until they are done, unless `settleProbeAt`
 *   says otherwise.
 * - A failure that says `RateLimitError` may be a rejection. Ask `isRejection` before blaming the provider.
 * - A `classify` of your own sees an empty success when handlers run: the answer is not known yet.
 * - When the provider does not know the previous response, `effect/ai` asks it a second time: still one call here.
 * - A function in `needsApproval` of a tool takes the provider's time.
 * - Who makes the model can guard the provider itself, which sees nothing of tools at all: `CircuitBreaker.execute` and
 *   `stream` inside the functions given to `LanguageModel.make`, with `toAiError` for their errors.
 *
 * **Example** (A provider that is down, and the second call that does not reach it)
 *
 * ```ts
 * import { Effect, Layer, Stream } from "effect"
 * import { AiError, LanguageModel } from "effect/ai"
 * import { CircuitBreaker, CircuitStore, TripPolicy } from "effect-resilience"
 * import { GuardedLanguageModel } from "effect-resilience/ai"
 *
 * const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
 * const down = Effect.fail(AiError.make({ module: "Provider", method: "generateText", reason: overloaded }))
 * const Provider = Layer.effect(
 *   LanguageModel.LanguageModel,
 *   LanguageModel.make({ generateText: () => down, streamText: () => Stream.fromEffect(down) })
 * )
 *
 * const Model = GuardedLanguageModel.layer({ key: "anthropic/claude" }).pipe(
 *   Layer.provide(Provider),
 *   Layer.provide(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(1) })),
 *   Layer.provide(CircuitStore.layerMemory)
 * )
 *
 * const program = Effect.gen(function*() {
 *   const ask = Effect.flip(LanguageModel.generateText({ prompt: "Hi" }))
 *   const first = yield* ask
 *   const second = yield* ask
 *   return [first, second].map((error) => [error.isRetryable, GuardedLanguageModel.isRejection(error)])
 * }).pipe(Effect.provide(Model))
 *
 * await Effect.runPromise(program) // => [[true, false], [true, true]]
 * ```
 *
 * @since 0.1.0
 */
import { Deferred, type Duration, Effect, Exit, Fiber, Latch, Layer, Queue, Stream } from "effect"
import { AiError, LanguageModel, Prompt, type Tool, type Toolkit } from "effect/ai"
import { CircuitBreaker } from "../CircuitBreaker.ts"
import { type CircuitBreakerError, isCircuitBreakerError } from "../CircuitError.ts"
import type { Classify } from "../CircuitPolicy.ts"
import type { CircuitState } from "../CircuitState.ts"
import { property } from "../internal/untrusted.ts"
import * as validation from "../internal/validation.ts"
import * as LlmOutcome from "../LlmOutcome.ts"
import * as LlmStream from "../LlmStream.ts"
import * as Outcome from "../Outcome.ts"
import { alive, content, failed, type StreamSignal, waiting } from "../StreamSignal.ts"

/**
 * - `key`: the circuit of this model, such as provider, model and region.
 * - `classify`: what a failed call says about the provider. Also asked about the parts of a stream that report a
 *   failure, as an exit that failed with what they carry. Default: `LlmOutcome.classify`, whatever the policy of the
 *   breaker says: a classifier made for other calls would count a refusal.
 * - `firstContentTimeout`, `idleTimeout`, `settleProbeAt`: for `streamText`, as for `CircuitBreaker.stream`. The
 *   policy's `attemptTimeout` is for the others.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly key: string
  readonly classify?: Classify | undefined
  readonly firstContentTimeout?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly settleProbeAt?: "finish" | "first_content" | undefined
}

/**
 * Guards the model it is provided with: `GuardedLanguageModel.layer({ key }).pipe(Layer.provide(model))`. Dies with
 * `InvalidOptions` for an option that breaks its rule.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<LanguageModel.LanguageModel, never, LanguageModel.LanguageModel | CircuitBreaker> =>
  Layer.effect(
    LanguageModel.LanguageModel,
    Effect.flatMap(LanguageModel.LanguageModel, (model) => guard(model, options))
  )

/**
 * Guards one model, for who has several and gives each its circuit.
 *
 * @category combinators
 * @since 0.1.0
 */
export const guard = (
  model: LanguageModel.LanguageModel,
  options: Options
): Effect.Effect<LanguageModel.LanguageModel, never, CircuitBreaker> =>
  CircuitBreaker.useSync((breaker) => make(model, breaker, options))

/**
 * The breaker's error in a failure of a guarded model, if the failure is its doing.
 *
 * @category guards
 * @since 0.1.0
 */
export const circuitErrorOf = (error: unknown): CircuitBreakerError | undefined =>
  [error, property(property(error, "reason"), "cause")].find(isCircuitBreakerError)

/**
 * Whether a failure of a guarded model is a rejection: the provider was not asked.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRejection = (error: unknown): boolean => circuitErrorOf(error)?.isRejection === true

/**
 * An error of the breaker as the error that the services of `effect/ai` promise.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toAiError = (error: CircuitBreakerError, module: string, method: string): AiError.AiError => {
  const limit = stack.stackTraceLimit
  stack.stackTraceLimit = 0
  const reason = Object.defineProperties(reasonOf(error), {
    message: { value: error.message },
    cause: { value: error }
  })
  const aiError = AiError.make({ module, method, reason })
  stack.stackTraceLimit = limit
  return aiError
}

const reasonOf = (error: CircuitBreakerError): AiError.AiErrorReason => {
  const { message, retryAfter } = error
  if (!error.isRejection) return new AiError.InternalProviderError({ description: message })
  return error.reason._tag === "CircuitForcedOpen" && retryAfter === undefined
    ? new AiError.UnknownError({ description: message })
    : new AiError.RateLimitError({ retryAfter })
}

// Not part of the language: V8's, and harmless elsewhere. A trace costs ten times the rest of a rejection.
const stack = Error as ErrorConstructor & { stackTraceLimit?: number | undefined }

type CallOptions = LanguageModel.GenerateTextOptions<Tools>
type Tools = Record<string, Tool.Any>
type ResolvedToolkit = Toolkit.WithHandler<Tools>
type AnyEffect = Effect.Effect<unknown, unknown, unknown>
type AnyStream = Stream.Stream<unknown, unknown, unknown>

const make = (
  model: LanguageModel.LanguageModel,
  breaker: CircuitBreaker["Service"],
  { classify = LlmOutcome.classify, ...options }: Options
): LanguageModel.LanguageModel => {
  const key = validation.key(options.key)
  for (const limit of ["firstContentTimeout", "idleTimeout"] as const) {
    validation.optionalDuration(limit, options[limit])
  }
  const classifyPart = partClassifier(classify)
  const classifyAnswer = answerClassifier(classify, classifyPart)

  const surface = (method: string) => (error: unknown) =>
    isCircuitBreakerError(error) ? toAiError(error, "GuardedLanguageModel", method) : error

  const call = (method: string, self: AnyEffect): AnyEffect =>
    Effect.mapError(breaker.execute(self, { key, classify: classifyAnswer }), surface(method))

  const stream = (self: AnyStream, foreign: ReadonlySet<unknown> = new Set()): AnyStream =>
    breaker.stream(self, {
      ...options,
      classifyPart,
      classify: (exit) => errorsOf(exit).some((error) => foreign.has(error)) ? callerError : classify(exit)
    }).pipe(Stream.mapError((error) => foreign.has(error) ? error : surface("streamText")(error)))

  /** Rejects before the handlers of approved calls have done what cannot be undone. */
  const admissible = (method: string, { toRun }: ToolWatch) => {
    if (toRun === 0) return Effect.void
    const taken = Effect.mapError(Effect.scoped(breaker.acquire(key)), surface(method))
    return Effect.flatMap(breaker.state(key), (state) => admitsAll(state) ? Effect.void : taken)
  }

  const generate = (method: string, run: (options: CallOptions) => AnyEffect) => (options: CallOptions): AnyEffect =>
    Effect.flatMap(toolsOf(options), (found) => {
      if (found === undefined) return call(method, run(options))
      return Effect.scopedWith((scope) =>
        Effect.gen(function*() {
          const answered = Deferred.makeUnsafe<unknown, unknown>()
          const settled = Latch.makeUnsafe()
          const watch = new ToolWatch(found, {
            begin: Effect.andThen(Deferred.succeed(answered, undefined), settled.await),
            end: Effect.void
          })
          yield* admissible(method, watch)
          const fiber = yield* watch.run(run(watch.options)).pipe(
            Effect.onExit((exit) => Deferred.done(answered, exit)),
            Effect.forkIn(scope)
          )
          if (yield* watch.reachedProvider) {
            const untilAnswered = Effect.andThen(watch.admit, Deferred.await(answered))
            yield* call(method, Effect.onInterrupt(untilAnswered, () => Fiber.interrupt(fiber)))
            yield* settled.open
          }
          return yield* Fiber.join(fiber)
        })
      )
    })

  const streamText = (run: (options: CallOptions) => AnyStream) => (options: CallOptions): AnyStream =>
    Stream.unwrap(Effect.gen(function*() {
      const found = yield* toolsOf(options)
      if (found === undefined) return stream(run(options))
      const queue = yield* Queue.make<unknown, unknown>()
      const watch = new ToolWatch(found, { begin: Queue.offer(queue, busy), end: Queue.offer(queue, idle) })
      yield* admissible("streamText", watch)
      yield* run(watch.options).pipe(
        // Whatever comes while a handler runs, the provider may have nothing to say for now.
        Stream.mapArray((parts) => watch.running > 0 ? [...parts, busy] as const : parts),
        Stream.runIntoQueue(queue),
        (drain) => watch.run(drain),
        Effect.forkScoped
      )
      const parts: AnyStream = Stream.fromQueue(queue)
      const guarded = (yield* watch.reachedProvider)
        ? stream(Stream.unwrap(Effect.as(watch.admit, parts)), watch.failures)
        : parts
      // At the pace of the provider, which does not wait for the consumer: it writes into a queue.
      return guarded.pipe(
        Stream.filter((part) => part !== busy && part !== idle),
        Stream.buffer({ capacity: "unbounded" })
      )
    }))

  return LanguageModel.LanguageModel.of({
    [LanguageModel.TypeId]: LanguageModel.TypeId,
    supportsSystemMessagesInHistory: model.supportsSystemMessagesInHistory,
    // Overloaded generics, which no wrapper can restate without losing inference.
    generateText: generate("generateText", (options) => model.generateText(options as never)) as never,
    generateObject: generate("generateObject", (options) => model.generateObject(options as never)) as never,
    streamText: streamText((options) => model.streamText(options as never)) as never
  })
}

const admitsAll = (state: CircuitState) =>
  state._tag === "Disabled" || (state._tag === "Closed" && state.throttledFor === undefined && !state.ramping)

// Not parts of an answer: they tell the guard of a stream when handlers begin and end.
const busy = { type: "~busy" }
const idle = { type: "~idle" }

const partClassifier = (classify: Classify) => (part: unknown): StreamSignal => {
  if (part === busy) return waiting
  const type = property(part, "type")
  // Its handler is watched, so that what follows a tool call is the provider's doing until the handler begins.
  if (part === idle || type === "tool-call") return content
  const signal = LlmStream.effectAi(part)
  return signal._tag === "Failed"
    ? failed(classify(Exit.fail(type === "error" ? property(part, "error") : part)))
    : signal
}

const answerClassifier = (classify: Classify, classifyPart: (part: unknown) => StreamSignal): Classify => (exit) => {
  const parts = Exit.isSuccess(exit) && exit.value instanceof LanguageModel.GenerateTextResponse
    ? exit.value.content
    : []
  const finish = parts.find((part) => part.type === "finish")
  const signal = finish === undefined ? alive : classifyPart(finish)
  return "outcome" in signal && signal.outcome._tag !== "Success" ? signal.outcome : classify(exit)
}

const callerError = Outcome.ignored("caller_error")

const errorsOf = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isSuccess(exit) ?
    [] :
    exit.cause.reasons.flatMap((reason) =>
      reason._tag === "Fail" ? [reason.error] : reason._tag === "Die" ? [reason.defect] : []
    )

interface FoundTools {
  readonly options: CallOptions
  readonly toolkit: ResolvedToolkit
  readonly approved: Set<string>
}

/** The tools whose handlers a call may run. */
const toolsOf = (options: CallOptions): Effect.Effect<FoundTools | undefined, unknown, unknown> =>
  Effect.suspend(() => {
    if (options.toolkit === undefined) return Effect.undefined
    const prompt = Prompt.make(options.prompt)
    const approved = approvedCalls(prompt)
    if (options.disableToolCallResolution === true && approved.size === 0) return Effect.undefined
    const toolkit = options.toolkit as ResolvedToolkit | Effect.Effect<ResolvedToolkit, unknown, unknown>
    return Effect.map(
      Effect.isEffect(toolkit) ? toolkit : Effect.succeed(toolkit),
      (toolkit) =>
        Object.keys(toolkit.tools).length === 0 ? undefined : { options: { ...options, prompt }, toolkit, approved }
    )
  })

/** The tool calls whose handlers run before the provider is asked. */
const approvedCalls = ({ content }: Prompt.Prompt): Set<string> => {
  const parts = content.flatMap((message): ReadonlyArray<Prompt.Part> =>
    typeof message.content === "string" ? [] : message.content
  )
  const approvals = new Set(
    parts.flatMap((part) => part.type === "tool-approval-response" && part.approved ? [part.approvalId] : [])
  )
  const done = new Set(parts.flatMap((part) => part.type === "tool-result" ? [part.id] : []))
  return new Set(
    parts.flatMap((part) =>
      part.type === "tool-approval-request" && approvals.has(part.approvalId) && !done.has(part.toolCallId)
        ? [part.toolCallId]
        : []
    )
  )
}

/** What happens before each handler, and after the last that runs. */
interface Hooks {
  readonly begin: Effect.Effect<unknown>
  readonly end: Effect.Effect<unknown>
}

/** Tells the time and the failures of tool handlers from those of the provider. */
class ToolWatch {
  /** The options of the call, with the watched toolkit. */
  readonly options: CallOptions
  /** What handlers failed with. */
  readonly failures = new Set<unknown>()
  /** Handlers that run now. */
  running = 0
  /** Handlers that have to run before the provider is asked. */
  toRun: number
  private readonly approved: Set<string>
  private readonly hooks: Hooks
  private readonly prepared = Deferred.makeUnsafe<boolean>()
  private readonly admitted = Latch.makeUnsafe()
  /** Whether the call got as far as to its provider, when that is known. */
  readonly reachedProvider = Deferred.await(this.prepared)
  readonly admit = this.admitted.open
  private readonly reachProvider = Effect.andThen(Deferred.succeed(this.prepared, true), this.admitted.await)

  constructor({ approved, options, toolkit }: FoundTools, hooks: Hooks) {
    this.approved = approved
    this.toRun = approved.size
    this.hooks = hooks
    const handle = (...call: Parameters<typeof toolkit.handle>) => this.watch(toolkit.handle(...call), call[2])
    this.options = { ...options, toolkit: { tools: toolkit.tools, handle: handle as never } }
  }

  /** Runs the call, which goes no further than to its provider until `admit`. */
  run<A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    const call = this.toRun === 0 ? Effect.andThen(this.reachProvider, self) : self
    return Effect.onExit(call, () => Deferred.succeed(this.prepared, false))
  }

  private watch<A, E, R, E2, R2>(
    handling: Effect.Effect<Stream.Stream<A, E, R>, E2, R2>,
    toolCallId: string | undefined
  ): Effect.Effect<Stream.Stream<A, E, R>, E2, R2> {
    if (toolCallId !== undefined && this.approved.delete(toolCallId)) {
      return Effect.map(
        handling,
        Stream.onEnd(Effect.suspend(() => --this.toRun === 0 ? this.reachProvider : Effect.void))
      )
    }
    const begun = Effect.andThen(Effect.sync(() => this.running++), this.hooks.begin)
    const ended = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.suspend(() => {
        for (const error of errorsOf(exit)) this.failures.add(error)
        return --this.running === 0 ? this.hooks.end : Effect.void
      })
    return Effect.andThen(begun, handling).pipe(
      Effect.onError((cause) => ended(Exit.failCause(cause))),
      Effect.map((stream) => Stream.onExit(stream, ended))
    )
  }
}
