/** What the network reports: connections that were refused, lost or too slow, and answers that were cut. */
import { type Row } from "./row.ts"

export const network = {
  // AWS's client has one name for a timeout and for a connection that was lost before any byte.
  reset: {
    id: "network/reset",
    match: {
      code: ["TimeoutError"],
      message: [/^(?:socket hang up$|(?:read|write) E|unexpected error: http2 request did not get a response\b)/i]
    },
    kind: "connection",
    outcome: "Failure"
  },
  timeout: {
    id: "network/timeout",
    match: {
      code: [
        /Timeout(?:Error|Exception)?$/,
        "cause/timeout",
        "body-timeout",
        "UND_ERR_CONNECT_TIMEOUT",
        "UND_ERR_HEADERS_TIMEOUT",
        "UND_ERR_BODY_TIMEOUT",
        "ESOCKETTIMEDOUT"
      ]
    },
    kind: "timeout",
    outcome: "Failure"
  },
  // In a minified program the classes of the official clients have lost their names.
  timeoutMessage: {
    id: "network/timeout-message",
    match: { message: [/^Request timed out\.|^timeout of \d{1,9} ?ms exceeded/i] },
    kind: "timeout",
    outcome: "Failure"
  },
  // Cut in the middle of an answer, as `fetch` and as `node:http` report it.
  cut: {
    id: "network/cut",
    match: { code: ["TypeError"], message: [/^terminated$/] },
    kind: "stream_cut",
    outcome: "Failure"
  },
  cutNode: {
    id: "network/cut-node",
    match: { code: ["ECONNRESET"], message: [/^aborted$/] },
    kind: "stream_cut",
    outcome: "Failure"
  },
  // The stream was whole as HTTP wants it, and its client misses the end.
  cutClient: {
    id: "network/cut-client",
    match: {
      origin: ["error"],
      status: ["none"],
      message: [
        /^(?:stream (?:has )?ended|request ended without sending any chunks|incomplete JSON segment)\b/i,
        /^(?:did not receive done or success response in|no output generated\. (?:the model|check the)) stream\b/i
      ]
    },
    kind: "stream_cut",
    outcome: "Failure"
  },
  connection: {
    id: "network/connection",
    match: {
      code: [
        "ECONNREFUSED",
        "ECONNRESET",
        "ECONNABORTED",
        "ETIMEDOUT",
        "EPIPE",
        "ENOTFOUND",
        "EAI_AGAIN",
        "EHOSTUNREACH",
        "EHOSTDOWN",
        "ENETUNREACH",
        "ENETDOWN",
        "EADDRNOTAVAIL",
        "EPROTO",
        "ERR_NETWORK",
        "REQUEST_SEND_ERROR",
        /^UND_ERR_/,
        /^ERR_(?:TLS|SSL|HTTP2)_/,
        /^(?:CERT|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED)_/,
        "APIConnectionError",
        "HttpClientError/TransportError",
        "NetworkError/TransportError"
      ]
    },
    kind: "connection",
    outcome: "Failure"
  },
  fetchFailed: {
    id: "network/fetch-failed",
    match: {
      code: ["TypeError"],
      message: [/^(?:fetch failed|failed to fetch|load failed|network ?error)/i]
    },
    kind: "connection",
    outcome: "Failure"
  },
  malformed: {
    id: "network/malformed",
    match: {
      code: [
        /^HPE_/,
        "HttpClientError/DecodeError",
        "HttpClientError/EmptyBodyError",
        "AiError/InvalidResponseError",
        "SseError",
        // The HTTP client of a provider could not read the answer; elsewhere the same error is the model's doing.
        /Client\/InvalidOutputError$/,
        "Answer/malformed",
        "ResponseValidationError",
        "InferenceClientProviderOutputError",
        "issue/response",
        // Of the fields of a part of a stream.
        /^issue\/data\.(?:choices|candidates|delta)$/,
        /^AI_(?:JSONParse|TypeValidation|InvalidResponseData|InvalidStreamPart|EmptyResponseBody)Error$/,
        // What `cohere-ai` hands out as an answer.
        "non-json",
        "body-is-null"
      ]
    },
    kind: "malformed_response",
    outcome: "Failure"
  },
  // An answer that is no JSON was parsed. As a defect it is more likely the caller's own text.
  notJson: {
    id: "network/not-json",
    match: { origin: ["error"], code: ["SyntaxError"] },
    kind: "malformed_response",
    outcome: "Failure"
  },
  // The reader of an answer looked for something that was not there.
  wrongShape: {
    id: "network/wrong-shape",
    match: {
      origin: ["error"],
      code: ["TypeError"],
      message: [/^Cannot (?:read propert|use '' operator)/, /is not an object/]
    },
    kind: "malformed_response",
    outcome: "Failure"
  }
} as const satisfies Readonly<Record<string, Row>>
