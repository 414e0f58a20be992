/** Faults within the provider: errors of its servers, its own timeouts, answers that it broke off. */
import { pattern } from "./patterns.ts"
import { type Row } from "./row.ts"

export const server = {
  timeout: {
    id: "code/timeout",
    match: {
      code: [
        "timeout_error",
        "DEADLINE_EXCEEDED",
        "Answer/timed_out",
        "base_resp/1001",
        "error_code/336102",
        pattern`
          ^(?:request|upstream|response|model|read|inference|generation|provider|server)[_ -]?
          time.?out(?:.?(?:error|exception|exceeded))?$
        `
      ]
    },
    kind: "timeout",
    outcome: "Failure"
  },
  cut: {
    id: "code/stream-cut",
    match: { code: ["ModelStreamErrorException", "modelStreamErrorException", "ERR_STREAM_PREMATURE_CLOSE"] },
    kind: "stream_cut",
    outcome: "Failure"
  },
  /** What Effect's client of a provider has made of it already. */
  client: {
    id: "client/provider-error",
    match: { status: ["none"], code: ["AiError/InternalProviderError"] },
    kind: "server_error",
    outcome: "Failure"
  },
  /** A proxy that blames its caller for what its own provider did. */
  upstream: {
    id: "message/upstream",
    match: {
      status: ["none", [400, 428], [430, 499]],
      message: [
        pattern`
          ^(?:the )?(?:upstream|backend|origin|provider)(?:'s)? (?:\w{1,12} )?(?:
            request failed|failed|error|service error|server error|connect\w{0,5}|timed out|timeout|
            unavailable|unreachable|disconnected|returned (?:an )?(?:error|5\d\d)
          )\b
        `,
        pattern`
          ^(?:failed|unable|cannot|could not|couldn't) (?:to )?(?:connect|reach|contact)\b.{0,24}
          \b(?:upstream|provider|backend|origin)\b
        `,
        pattern`
          ^(?:the )?server (?:had|encountered) an (?:\w{1,12} )?error\b|^(?:an )?internal (?:server )?error\b|
          ^(?:internal|unknown|unexpected) network error\b|^network error,
        `
      ]
    },
    kind: "server_error",
    outcome: "Failure"
  },
  status408: { id: "status/408", match: { status: [408] }, kind: "timeout", outcome: "Failure" },
  status424: { id: "status/424", match: { status: [424] }, kind: "server_error", outcome: "Failure" },
  // Among them 500, 502, 504, and 520 to 524 of the edge in front of a provider.
  status: { id: "status/5xx", match: { status: [[500, 599]] }, kind: "server_error", outcome: "Failure" },
  code: {
    id: "code/server-error",
    match: {
      code: [
        "api_error",
        "server_error",
        "internal_server_error",
        "INTERNAL",
        "ModelErrorException",
        "modelErrorException",
        "1234",
        "1230",
        "error_code/1",
        "error_code/336000",
        "base_resp/1000",
        "base_resp/1013",
        "base_resp/1024",
        /internal.?(?:server.?)?(?:error|failure|exception)|^server.?(?:error|exception)|upstream.?error/i,
        /bad.?gateway|gateway.?timeout|engine.?(?:dead|error|crash)/i
      ]
    },
    kind: "server_error",
    outcome: "Failure"
  }
} as const satisfies Readonly<Record<string, Row>>
