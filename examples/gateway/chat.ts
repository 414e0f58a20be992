// POST /v1/chat/completions
import { Effect, Stream } from "effect"
import { type FailoverRoute, FailoverRouter, LlmStream } from "effect-resilience"
import { HttpServerResponse } from "effect/http"
import * as CallLog from "./callLog.ts"
import * as ChatRequest from "./chatRequest.ts"
import type { Ending } from "./ending.ts"
import { toError, toResponse } from "./failures.ts"
import type { OpenAiError } from "./openAiError.ts"
import { RequestError } from "./requestError.ts"
import type { Models } from "./resilience.ts"
import * as StreamedAnswer from "./streamedAnswer.ts"
import { type Client, isRefusal } from "./target.ts"
import { TargetError } from "./targetError.ts"

export const make = (models: Models, { ended }: Ending) => {
  const routeOf = (model: string) => models.get(model) ?? model // The router refuses a name that none has.

  /** The client of the target that the router chose, of which the call takes note. */
  const chosen = (call: CallLog.Call, { name, payload }: FailoverRoute.Target<Client>): Client => {
    call.target = name
    call.attempts++
    return payload
  }

  const inOnePiece = Effect.fnUntraced(function*(request: ChatRequest.Asked, call: CallLog.Call) {
    const answer = yield* FailoverRouter.execute(
      routeOf(request.model),
      (target) => chosen(call, target).complete(request),
      { allow: request.allow, evidence: request.evidence }
    )
    // A refusal with a status of 200: not a failure of the target, and yet no answer.
    if (isRefusal(answer)) return yield* new TargetError({ status: 200, body: answer })
    return HttpServerResponse.jsonUnsafe(answer, { headers: headersOf(call) })
  })

  const streamed = Effect.fnUntraced(function*(request: ChatRequest.Asked, call: CallLog.Call) {
    const { allow, evidence } = request
    // Up to the first content everything that fails has a status.
    const parts = yield* FailoverRouter.open(
      routeOf(request.model),
      (target) => chosen(call, target).stream(request),
      { allow, evidence, classifyPart: LlmStream.openAi, settleProbeAt: "first_content" }
    )
    const events = StreamedAnswer.write(
      Stream.interruptWhen(parts, ended),
      { choices: request.choices, onError: (error) => call.failure = nameOf(error) }
    )
    return HttpServerResponse.stream(Stream.encodeText(events), {
      contentType: "text/event-stream",
      headers: { ...headersOf(call), "cache-control": "no-cache" }
    })
  })

  return Effect.gen(function*() {
    const call = yield* CallLog.begin
    const answer = Effect.flatMap(ChatRequest.read, (request) => {
      // Whatever a caller makes up.
      call.model = request.model.slice(0, 100)
      return request.stream ? streamed(request, call) : inOnePiece(request, call)
    })
    const response = yield* Effect.raceFirst(answer, ended).pipe(
      Effect.catchDefect((defect) =>
        Effect.andThen(Effect.logError("the gateway failed", defect), Effect.fail(broken))
      ),
      Effect.catch((failure) => {
        call.failure = nameOf(toError(failure))
        return Effect.succeed(toResponse(failure))
      })
    )
    call.status = response.status
    return response
  })
}

const broken = new RequestError({ status: 500, code: "internal_error", message: "The gateway could not do this." })

// What a target calls its refusals can be anything.
const nameOf = ({ code, type }: OpenAiError) =>
  [String(code ?? ""), type].find((name) => /^\w[\w.-]{0,63}$/.test(name)) ?? "refused"

const headersOf = ({ attempts, target }: CallLog.Call) => ({
  "x-served-by": target ?? "",
  "x-failover-attempts": String(attempts)
})
