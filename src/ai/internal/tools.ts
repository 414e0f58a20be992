/** The tools of a call, and whether the time is spent by their handlers or by the provider. */
import { Effect, Exit, Option, Sink, Stream } from "effect"
import { type LanguageModel, Prompt, type Tool, type Toolkit } from "effect/ai"
import { errorsOf } from "./judgement.ts"

type Tools = Record<string, Tool.Any>
type ResolvedToolkit = Toolkit.WithHandler<Tools>

export type CallOptions = LanguageModel.GenerateTextOptions<Tools>

export interface FoundTools {
  readonly options: CallOptions
  readonly toolkit: ResolvedToolkit
  /** The calls that were approved in the history and have no result yet, by their id. */
  readonly approved: ReadonlyMap<string, Prompt.ToolCallPart>
}

/** The tools whose handlers a call may run; undefined if there are none. */
export const toolsOf = (options: CallOptions): Effect.Effect<FoundTools | undefined, unknown, unknown> =>
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

const approvedCalls = ({ content }: Prompt.Prompt): FoundTools["approved"] => {
  const parts = content.flatMap((message): ReadonlyArray<Prompt.Part> =>
    typeof message.content === "string" ? [] : message.content
  )
  const approvals = new Set(
    parts.flatMap((part) => part.type === "tool-approval-response" && part.approved ? [part.approvalId] : [])
  )
  const done = new Set(parts.flatMap((part) => part.type === "tool-result" ? [part.id] : []))
  const asked = new Set(
    parts.flatMap((part) =>
      part.type === "tool-approval-request" && approvals.has(part.approvalId) && !done.has(part.toolCallId)
        ? [part.toolCallId]
        : []
    )
  )
  return new Map(parts.flatMap((part) => part.type === "tool-call" && asked.has(part.id) ? [[part.id, part]] : []))
}

type Result = Tool.HandlerResult<Tool.Any>

/** The results of the handlers of approved calls, by the id of the call. */
export type Results = ReadonlyMap<string, Result>

/**
 * Runs the handlers of approved calls. `effect/ai` would run them inside each call of a model. Here each runs once,
 * however many models are asked, and its time counts for none of them.
 */
export const runApproved = ({ approved, options, toolkit }: FoundTools): Effect.Effect<Results, unknown, unknown> =>
  Effect.suspend(() => {
    const calls = Array.from(approved.values())
    // Runs none if a tool is unknown, because the model then fails before it runs any.
    if (calls.some(({ name }) => !Object.hasOwn(toolkit.tools, name))) return Effect.succeed(new Map())
    const run = ({ id, name, params }: Prompt.ToolCallPart) =>
      Stream.unwrap(toolkit.handle(name, params as never, id)).pipe(
        Stream.filter(({ preliminary }) => !preliminary),
        Stream.run(Sink.last()),
        Effect.map(
          Option.match({ onNone: () => [], onSome: (result): ReadonlyArray<[string, Result]> => [[id, result]] })
        ),
        // In a span of its own, because the toolkit writes the call's parameters on the current one.
        Effect.withSpan(`execute_tool ${name}`)
      )
    return Effect.map(
      Effect.forEach(calls, run, { concurrency: options.concurrency ?? "unbounded" }),
      (results) => new Map(results.flat())
    )
  })

/** Effects that run before each handler, and after the last one that is running. */
export interface Hooks {
  readonly begin: Effect.Effect<unknown>
  readonly end: Effect.Effect<unknown>
}

/** Watches the tool handlers of one call, to keep their time and failures apart from those of the provider. */
export class ToolWatch {
  /** The options of the call, with the watched toolkit. */
  readonly options: CallOptions
  /** The errors of handlers. */
  readonly failures = new Set<unknown>()
  /** How many handlers are running. */
  running = 0
  private readonly hooks: Hooks

  constructor({ options, toolkit }: FoundTools, results: Results, hooks: Hooks) {
    this.hooks = hooks
    // Each result is given once, because a provider may reuse the id of an old call for a new one.
    const known = new Map(results)
    const handle = (...call: Parameters<typeof toolkit.handle>) => {
      const result = call[2] === undefined ? undefined : known.get(call[2])
      if (result === undefined) return this.watch(toolkit.handle(...call))
      known.delete(call[2]!)
      return Effect.succeed(Stream.succeed(result))
    }
    this.options = { ...options, toolkit: { tools: toolkit.tools, handle: handle as never } }
  }

  private watch<A, E, R, E2, R2>(
    handling: Effect.Effect<Stream.Stream<A, E, R>, E2, R2>
  ): Effect.Effect<Stream.Stream<A, E, R>, E2, R2> {
    const begun = Effect.andThen(Effect.sync(() => this.running++), this.hooks.begin)
    const ended = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.suspend(() => {
        if (Exit.isFailure(exit)) { for (const error of errorsOf(exit.cause)) this.failures.add(error) }
        return --this.running === 0 ? this.hooks.end : Effect.void
      })
    return Effect.andThen(begun, handling).pipe(
      Effect.onError((cause) => ended(Exit.failCause(cause))),
      Effect.map((stream) => Stream.onExit(stream, ended))
    )
  }
}
