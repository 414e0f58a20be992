/** One request and its response, as a stream for the breaker to guard. */
import { Array as Arr, Cause, Clock, Duration, Effect, Exit, type Fiber, type Pull, Scope, Stream } from "effect"
import { Sse } from "effect/encoding"
import type { HttpClientError, HttpClientRequest, HttpClientResponse } from "effect/http"
import type { CircuitBreakerError } from "../../CircuitError.ts"
import type { Classify } from "../../CircuitPolicy.ts"
import { elapsedMillis } from "../../internal/clock/time.ts"
import type { StreamLimits } from "../../internal/options/streamLimits.ts"
import * as Outcome from "../../Outcome.ts"
import { alive, type ClassifyPart, content, failed, finish, type StreamSignal } from "../../StreamSignal.ts"
import type { Options } from "../GuardedHttpClient.ts"
import { Response } from "./guardedResponse.ts"
import { type Body, inspect, type Inspected, maxInspected, maxInspectedMillis } from "./inspect.ts"

/** Options that have been checked. */
export interface Settings {
  readonly keyOf: (request: HttpClientRequest.HttpClientRequest) => string
  readonly classify: NonNullable<Options["classify"]>
  readonly classifyBody: Classify
  readonly events: Options["events"]
  readonly limits: StreamLimits & Pick<Options, "settleProbeAt">
  readonly unreadMillis: number
}

/** A part of the stream that the breaker guards: the head, bytes of the body, an event in them, or the end. */
export interface Part {
  readonly bytes?: Uint8Array | undefined
  readonly signal: () => StreamSignal
}

/** One request and its response, as the stream that the breaker guards and the caller reads. */
export class Exchange {
  readonly scope = Scope.makeUnsafe()
  /** Judges the whole body at its end. The accessor that collects the body replaces it. */
  atEnd: () => Outcome.Outcome = () => Outcome.success
  inspected: Inspected | undefined
  /** The error of a client that reports an empty body as a failure. */
  noBody: HttpClientError.HttpClientError | undefined
  readonly settings: Settings
  private readonly request: HttpClientRequest.HttpClientRequest
  private response: Response | undefined
  private pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Part>, unknown> = Effect.never
  private isFine = false
  private taken = false
  private abandoned = false
  private unread: Fiber.Fiber<void> | undefined
  private size = 0

  constructor(request: HttpClientRequest.HttpClientRequest, settings: Settings) {
    this.request = request
    this.settings = settings
  }

  parts<E>(
    send: Effect.Effect<HttpClientResponse.HttpClientResponse, E>
  ): Stream.Stream<Part, E | HttpClientError.HttpClientError> {
    return Stream.unwrap(Effect.gen({ self: this }, function*() {
      const clock = yield* Clock.Clock
      const since = elapsedMillis(clock)
      const original = yield* send
      const response = new Response(original, this)
      this.response = response
      const head = Stream.make<ReadonlyArray<Part>>(
        { signal: () => this.head(response) },
        // The breaker takes the first verdict. It gets to this one if the classifier has thrown.
        { signal: () => this.isFine ? alive : failed(callerError) }
      )
      if (isBodiless(original)) return head
      if (original.status < 400) return Stream.concat(head, Stream.suspend(() => this.body(original)))
      const limitMillis = Duration.toMillis(this.settings.limits.firstContentTimeout)
      // Reads the body for half of the time that is left, because a slow body must not turn the error into a timeout.
      const leftMillis = (limitMillis - (elapsedMillis(clock) - since)) / 2
      const inspected = yield* inspect(this.bytes(original), Math.min(maxInspectedMillis, leftMillis))
      this.inspected = inspected
      return Stream.concat(head, Stream.map(inspected.stream, (bytes) => ({ bytes, signal: () => content })))
    }))
  }

  private head(response: Response): StreamSignal {
    const outcome = this.settings.classify(Exit.succeed(response))
    if (outcome._tag !== "Success" || response.status >= 400) return failed(outcome)
    this.isFine = true
    if (isBodiless(response)) return finish(outcome)
    return asksForData(this.request) && /\bhtml\b/i.test(contentType(response)) ? failed(malformed) : alive
  }

  private body(original: HttpClientResponse.HttpClientResponse): Stream.Stream<Part, HttpClientError.HttpClientError> {
    if (this.abandoned) return Stream.succeed({ signal: () => finish(Outcome.success) })
    const { events } = this.settings
    const eventsOf = events !== undefined && /^text\/event-stream\b/i.test(contentType(original))
      ? eventReader(events)
      : undefined
    const signal = () => eventsOf === undefined ? content : alive
    return Stream.concat(
      Stream.mapArray(
        this.bytes(original),
        Arr.flatMap((bytes): Arr.NonEmptyReadonlyArray<Part> => [{ bytes, signal }, ...eventsOf?.(bytes) ?? []])
      ),
      Stream.suspend(() => Stream.fromIterable(eventsOf?.() ?? this.end()))
    )
  }

  private end(): ReadonlyArray<Part> {
    const isMissing = this.size === 0 && asksForData(this.request)
    return [
      { signal: () => finish(isMissing ? malformed : this.atEnd()) },
      { signal: () => finish(callerError) }
    ]
  }

  private bytes(original: HttpClientResponse.HttpClientResponse): Body {
    return original.stream.pipe(
      Stream.map((bytes) => {
        this.size += bytes.length
        return bytes
      }),
      // Some clients fail if there is no body. For `text` it is an empty one.
      Stream.catchIf((error) => error.reason._tag === "EmptyBodyError", (error) => {
        this.noBody = error
        return Stream.empty
      })
    )
  }

  /** Sends the request, and waits for the head of the response. */
  open<E>(
    guarded: Stream.Stream<Part, E | HttpClientError.HttpClientError | CircuitBreakerError>
  ): Effect.Effect<Response, E | CircuitBreakerError> {
    const opened = Effect.gen({ self: this }, function*() {
      const pull = yield* Stream.toPull(guarded)
      this.pull = pull
      yield* pull
      return this.response!
    })
    // No error of the body is possible yet, because the stream begins with the head.
    return Scope.provide(opened, this.scope) as Effect.Effect<Response, E | CircuitBreakerError>
  }

  /** Ends the call if its body needs no reading, and otherwise after `unreadTimeout` if the caller has not begun. */
  readonly handOut: Effect.Effect<void> = Effect.suspend(() => {
    this.taken = this.response !== undefined && isBodiless(this.response)
    if (this.taken || this.inspected?.whole !== undefined) return Scope.close(this.scope, Exit.void)
    return Effect.map(Effect.forkDetach(Effect.delay(this.abandon, this.settings.unreadMillis)), (fiber) => {
      this.unread = fiber
    })
  })

  private readonly abandon: Effect.Effect<void> = Effect.suspend(() => {
    if (this.taken) return Effect.void
    this.taken = true
    this.abandoned = true
    const settling = this.inspected === undefined ? Effect.exit(this.pull) : Effect.void
    return Effect.andThen(settling, Scope.close(this.scope, Exit.void))
  })

  /** The guarded body for the first accessor that asks, until the scope closes; undefined for later ones. */
  readonly take: Effect.Effect<Body | undefined, never, Scope.Scope> = Effect.suspend(() => {
    const whole = this.inspected?.whole
    if (whole !== undefined) return Effect.succeed(Stream.fromIterable(whole))
    const isFirst = Effect.acquireRelease(
      Effect.sync(() => {
        if (this.taken) return false
        this.unread?.interruptUnsafe()
        return this.taken = true
      }),
      (isFirst) => isFirst ? Scope.close(this.scope, Exit.void) : Effect.void
    )
    return Effect.map(isFirst, (isFirst) => isFirst ? Stream.fromPull(Effect.succeed(this.chunks)) : undefined)
  })

  private readonly chunks: Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, HttpClientError.HttpClientError> = Effect
    .suspend(() => this.pull).pipe(
      Effect.flatMap((parts) => {
        const bytes = parts.flatMap(({ bytes }) => bytes ?? [])
        return Arr.isReadonlyArrayNonEmpty(bytes) ? Effect.succeed(bytes) : this.chunks
      }),
      Effect.mapError((error) => Cause.isDone(error) ? error : this.response!.unreadable(error))
    )
}

/** Reads the events in bytes; without bytes, what is left at the end. */
const eventReader = (classifyPart: ClassifyPart<Sse.Event>) => {
  const decoder = new TextDecoder()
  let parts: Array<Part> = []
  const parser = Sse.makeParser((event) => {
    if (event._tag === "Event") parts.push({ signal: () => classifyPart(event) })
  }, { maxEventSize: maxInspected })
  return (bytes?: Uint8Array): ReadonlyArray<Part> => {
    parts = []
    const tooLong = parser.feed(
      bytes === undefined ? `${decoder.decode()}\n\n` : decoder.decode(bytes, { stream: true })
    )
    // An event that is too long to keep is content, because no other event is that long.
    if (tooLong !== undefined) parts.push({ signal: () => content })
    return parts
  }
}

const isBodiless = ({ request, status }: HttpClientResponse.HttpClientResponse) =>
  request.method === "HEAD" || status < 200 || status === 204 || status === 205 || status === 304

const contentType = (response: HttpClientResponse.HttpClientResponse) => response.headers["content-type"] ?? ""

// False if the request accepts other types too, because a page or an empty body may then be what it wants.
const asksForData = ({ headers }: HttpClientRequest.HttpClientRequest) => {
  const accept = headers["accept"] ?? ""
  return /json|event-stream/i.test(accept) && !/html|text\/\*|\*\/\*/i.test(accept)
}

const malformed = Outcome.failure("malformed_response")
const callerError = Outcome.ignored("caller_error")
