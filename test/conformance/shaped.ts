// AWS's client by the form of its errors, on lines; `test/judgement/clients` has the client itself, on its frames.
import { Effect, Stream } from "effect"
import { type Call, type Client, deadlineMillis, readerOf, requestOf } from "./client.ts"
import type { Mode } from "./wire.ts"

const send = async (call: Call, mode: Mode, signal: AbortSignal, failed: (response: Response) => Promise<Error>) => {
  const { body, url } = requestOf(call, mode)
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    signal: call.how === "deadline" ? AbortSignal.timeout(deadlineMillis) : signal
  })
  if (!response.ok) throw await failed(response)
  return response
}

const awsError = async (response: Response): Promise<Error> => {
  const { message } = await response.json() as { readonly message: string }
  return Object.assign(new Error(message), {
    name: response.headers.get("x-amzn-errortype")?.split(":")[0] ?? "UnknownError",
    $fault: response.status < 500 ? "client" : "server",
    $metadata: { httpStatusCode: response.status, attempts: 1, totalRetryDelay: 0 }
  })
}

async function* awsEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<object> {
  let rest = ""
  const decoder = new TextDecoder()
  for await (const bytes of body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n")
    rest = lines.pop() ?? ""
    for (const line of lines.filter((line) => line !== "")) {
      const event = JSON.parse(line) as Record<string, { readonly message?: string }>
      const exception = Object.keys(event).find((key) => key.endsWith("Exception"))
      if (exception === undefined) yield event
      // An exception it knows has the name of its class; one that it does not know, that of the event.
      else {
        throw Object.assign(new Error(event[exception]?.message), {
          name: event[exception]?.message === "unmodelled"
            ? exception
            : exception.charAt(0).toUpperCase() + exception.slice(1)
        })
      }
    }
  }
}

export const aws: Client = {
  name: "AWS client's errors",
  serves: (provider) => provider === "bedrock",
  reads: "all",
  knows: (how) => how !== "abort",
  once: (call) =>
    Effect.tryPromise(async (signal): Promise<unknown> => (await send(call, "once", signal, awsError)).json()),
  stream: (call) =>
    Effect.tryPromise((signal) => send(call, "stream", signal, awsError)).pipe(
      Effect.map((response) => Stream.fromAsyncIterable(awsEvents(response.body!), (error) => error)),
      Stream.unwrap
    ),
  classifyPart: readerOf
}
