/** A client of the gateway, which sees only what a caller sees. */
import { Duration, Effect } from "effect"
import { type IncomingMessage, request } from "node:http"
import * as Answer from "./Answer.ts"
import { now, seconds } from "./storyTime.ts"

/**
 * - `model`: "chat" by default. `prompt`: "hello" by default.
 * - `body`: sent as it is, in place of a chat.
 * - `leaveAfterParts`, `leaveAfter`: goes away after so many parts with content, or seconds.
 * - `pauseAfterParts`: reads nothing for 25 seconds after so many parts with content.
 */
export interface Options {
  readonly model?: string | undefined
  readonly prompt?: string | undefined
  readonly stream?: boolean | undefined
  readonly includeUsage?: boolean | undefined
  readonly authorization?: string | undefined
  readonly body?: string | undefined
  readonly leaveAfterParts?: number | undefined
  readonly pauseAfterParts?: number | undefined
  readonly leaveAfter?: number | undefined
}

/** Longer than any call may take: two legs of 30 seconds, with their waits. */
const patience = 100

/** What becomes of a call whose caller went away. */
export const left = "left"

/** Asks for a chat, and reads the answer to its end. One that comes to none is broken. */
export const ask = (url: string, options: Options = {}): Effect.Effect<Answer.Answer> =>
  Effect.callback<Answer.Answer>((resume) => {
    const startedAt = now()
    const took = () => now() - startedAt
    const body = options.body ?? chat(options)
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      ...(options.authorization === undefined ? {} : { authorization: options.authorization })
    }
    // Without an agent: the fate of a connection is that of its call only.
    const outgoing = request(`${url}/v1/chat/completions`, { method: "POST", headers, agent: false })

    const timers: Array<NodeJS.Timeout> = []
    const end = (answer: Answer.Answer) => {
      timers.forEach(clearTimeout)
      resume(Effect.succeed(answer))
      outgoing.destroy()
    }
    const leave = (why: string) => end(Answer.none(why, took()))
    const leaveAfter = (count: number, why: string) =>
      timers.push(setTimeout(() => leave(why), Duration.toMillis(seconds(count))))
    leaveAfter(patience, `no end within ${patience} seconds`)
    if (options.leaveAfter !== undefined) leaveAfter(options.leaveAfter, left)

    outgoing.on("response", (response) =>
      read(response, took, {
        onPart: (parts) => {
          if (parts === options.leaveAfterParts) leave(left)
          if (parts !== options.pauseAfterParts) return
          response.pause()
          timers.push(setTimeout(() => response.resume(), Duration.toMillis(seconds(25))))
        },
        onEnd: (raw) => end(Answer.judge(raw))
      }))
    outgoing.on("error", (error) => leave(error.message))
    outgoing.end(body)
    return Effect.sync(() => leave(left))
  })

/** The names of the models that the gateway offers. */
export const models = (url: string, authorization?: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const response = await fetch(`${url}/v1/models`, authorization === undefined ? {} : { headers: { authorization } })
    const { data } = await response.json() as { readonly data: ReadonlyArray<{ readonly id: string }> }
    return data.map(({ id }) => id)
  })

const chat = ({ includeUsage, model = "chat", prompt = "hello", stream = false }: Options) =>
  JSON.stringify({
    model,
    messages: [{ role: "user", content: prompt }],
    ...(stream ? { stream } : {}),
    ...(stream && includeUsage === true ? { stream_options: { include_usage: true } } : {})
  })

/** `onPart` gets how many parts with content there are by now. */
const read = (
  response: IncomingMessage,
  took: () => number,
  { onEnd, onPart }: { readonly onEnd: (raw: Answer.Raw) => void; readonly onPart: (parts: number) => void }
) => {
  const { "content-type": contentType = "", "retry-after": retryAfter } = response.headers
  const events: Array<Answer.Event> = []
  let body = ""
  let rest = ""
  let parts = 0
  const readBlock = (block: string) => {
    const event = Answer.event(block)
    if (event === undefined) return
    events.push({ at: took(), data: event.data })
    if (Answer.hasContent(event.data)) onPart(++parts)
  }
  response.setEncoding("utf8")
  response.on("data", (chunk: string) => {
    body += chunk
    const blocks = (rest + chunk).replaceAll("\r\n", "\n").split("\n\n")
    rest = blocks.pop()!
    blocks.forEach(readBlock)
  })
  // What happened to the connection shows in its end.
  response.on("error", () => {})
  response.on("close", () => {
    readBlock(rest)
    onEnd({
      status: response.statusCode ?? 0,
      contentType,
      retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
      body,
      clean: response.complete,
      events,
      took: took()
    })
  })
}
