/** A response whose body is read through the guard. */
import { Effect, Exit, Inspectable, Pipeable, type Schema, type Scope, Stream } from "effect"
import { HttpClientError, HttpClientResponse, HttpIncomingMessage, UrlParams } from "effect/http"
import { isCircuitBreakerError } from "../../CircuitError.ts"
import type { Classify } from "../../CircuitPolicy.ts"
import * as Outcome from "../../Outcome.ts"
import type { GuardedResponse } from "../GuardedHttpClient.ts"
import { type Body, concat, decode, type Inspected } from "./inspect.ts"

/** The exchange that the response belongs to: where its body comes from, and who judges it. */
export interface Source {
  readonly take: Effect.Effect<Body | undefined, never, Scope.Scope>
  readonly inspected: Inspected | undefined
  readonly noBody: HttpClientError.HttpClientError | undefined
  readonly settings: { readonly classifyBody: Classify }
  atEnd: () => Outcome.Outcome
}

/** The response of the client, with its body read through the guard. */
export class Response extends Inspectable.Class implements GuardedResponse {
  readonly [HttpIncomingMessage.TypeId] = HttpIncomingMessage.TypeId
  readonly [HttpClientResponse.TypeId] = HttpClientResponse.TypeId
  readonly arrayBuffer: Effect.Effect<ArrayBuffer, HttpClientError.HttpClientError>
  private readonly original: HttpClientResponse.HttpClientResponse
  private readonly source: Source
  // Judges the collected body. The accessor that reads it first decides how.
  private judgeWhole: ((whole: ArrayBuffer) => Outcome.Outcome) | undefined

  constructor(original: HttpClientResponse.HttpClientResponse, source: Source) {
    super()
    this.original = original
    this.source = source
    this.arrayBuffer = Effect.flatMap(
      source.take,
      (body) => body === undefined ? original.arrayBuffer : this.collect(body)
    ).pipe(Effect.scoped, Effect.cached, Effect.runSync)
  }

  get request() {
    return this.original.request
  }

  get url() {
    return this.original.url
  }

  get status() {
    return this.original.status
  }

  get headers() {
    return this.original.headers
  }

  get cookies() {
    return this.original.cookies
  }

  get remoteAddress() {
    return this.original.remoteAddress
  }

  get upgrade() {
    return this.original.upgrade
  }

  get body() {
    return this.source.inspected?.text
  }

  get stream(): Body {
    const noBody = Stream.suspend(() => this.source.noBody ? Stream.fail(this.source.noBody) : Stream.empty)
    return Stream.unwrap(Effect.map(
      this.source.take,
      (body) => body === undefined ? this.original.stream : Stream.concat(body, noBody)
    ))
  }

  private collect(body: Body): Effect.Effect<ArrayBuffer, HttpClientError.HttpClientError> {
    return Effect.withFiber((fiber) => {
      const limit = fiber.getRef(HttpIncomingMessage.MaxBodySize)
      const chunks: Array<Uint8Array> = []
      let size = 0
      let whole: ArrayBuffer | undefined
      const join = () => whole ??= concat(chunks)
      const { judgeWhole } = this
      if (judgeWhole !== undefined) this.source.atEnd = () => judgeWhole(join())
      const collected = Stream.runForEach(body, (chunk) => {
        size += chunk.length
        if (limit !== undefined && size > limit) return Effect.fail(this.unreadable(new Error("maxBytes exceeded")))
        chunks.push(chunk)
        return Effect.void
      })
      return Effect.map(collected, join)
    })
  }

  get text() {
    return Effect.map(this.arrayBuffer, decode)
  }

  get json() {
    return Effect.suspend(() => {
      let parsed: Exit.Exit<Schema.Json, HttpClientError.HttpClientError> | undefined
      this.judgeWhole = (whole) => {
        parsed = this.parse(whole)
        return whole.byteLength === 0 || Exit.isFailure(parsed)
          ? malformed
          : this.source.settings.classifyBody(parsed)
      }
      return Effect.flatMap(this.arrayBuffer, (whole) => parsed ?? this.parse(whole))
    })
  }

  get urlParamsBody() {
    return Effect.flatMap(this.arrayBuffer, (whole) =>
      Effect.try({
        // Encodes a leading question mark, which belongs to the form and which `URLSearchParams` would drop.
        try: () => UrlParams.fromInput(new URLSearchParams(decode(whole).replace(/^\?/, "%3F"))),
        catch: (cause) => this.unreadable(cause)
      }))
  }

  get formData() {
    return Effect.flatMap(this.arrayBuffer, (whole) =>
      Effect.tryPromise({
        try: () => new globalThis.Response(whole, { headers: this.headers }).formData(),
        catch: (cause) => this.unreadable(cause)
      }))
  }

  private parse(whole: ArrayBuffer): Exit.Exit<Schema.Json, HttpClientError.HttpClientError> {
    const text = decode(whole)
    try {
      return Exit.succeed(text === "" ? null : JSON.parse(text))
    } catch (cause) {
      return Exit.fail(this.unreadable(cause))
    }
  }

  unreadable(error: unknown): HttpClientError.HttpClientError {
    if (HttpClientError.isHttpClientError(error)) return error
    const description = isCircuitBreakerError(error) ? error.message : undefined
    const { request } = this
    return new HttpClientError.HttpClientError({
      reason: new HttpClientError.DecodeError({ request, response: this, cause: error, description })
    })
  }

  toJSON(): unknown {
    return this.original.toJSON()
  }

  pipe() {
    return Pipeable.pipeArguments(this, arguments)
  }
}

const malformed = Outcome.failure("malformed_response")
