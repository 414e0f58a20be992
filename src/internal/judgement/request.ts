/** The caller's mistakes, and what only this target cannot do. */
import { part, pattern } from "./patterns.ts"
import { type Row } from "./row.ts"

/** What a model can do, or not. */
const feature = part`
  (?:
    tools?|tool[_ ](?:use|choice|calls?)|parallel tool|functions?|function calling|
    images?|image input|vision|audio|video|multimodal|modalit\w{1,3}|files?|pdf|documents?|
    json(?: mode| schema)?|structured output\w{0,1}|response[_ ]format|schemas?|
    stream\w{0,3}|system (?:prompts?|messages?|role)|reasoning|thinking|logprobs|embeddings?|chat
  )
`

export const request = {
  /** Callers who ask for less are served here, and this one may be served elsewhere. */
  unsupported: {
    id: "message/unsupported",
    match: {
      status: [400, 404, 405, 415, 422, 500, 501, "none"],
      message: [
        /^no (?:endpoints?|providers?|models?) (?:available |found )?(?:that )?(?:can )?(?:support|handle)/i,
        pattern`
          \b(?:does not|doesn't|do not|don't|cannot|can't|not) (?:currently |yet )?
          (?:support|accept|handle|have|allow)(?:ed|ing)? (?:\w{1,16} ){0,2}?${feature}\b
        `,
        pattern`
          \b${feature} (?:\w{1,12} ){0,2}?(?:is|are) (?:not|un)(?: currently| yet)? ?
          (?:supported|available|enabled|allowed|implemented)\b
        `,
        pattern`\b(?:unsupported|no support for) (?:\w{1,12} ){0,2}?${feature}\b`,
        /\brequires? (?:the )?--?\w{2,24}|\bmmproj\b|\btool choice requires\b/i
      ]
    },
    kind: "invalid_request",
    outcome: "Ignored",
    elsewhere: true
  },
  model: {
    id: "request/unknown-model",
    match: {
      status: ["none", [400, 499]],
      code: [
        "model_not_found",
        "DeploymentNotFound",
        "ModelNotFound",
        pattern`
          (?:model|deployment|engine|function).?(?:id.?)?
          (?:not.?found|does.?not.?exist|not.?exist|unavailable|decommissioned|deprecated|retired|gone)
        `,
        /(?:unknown|invalid|no.?such|unsupported|nonexistent).?(?:model|deployment|engine)/i,
        "1211",
        "5007",
        "3042"
      ]
    },
    kind: "invalid_request",
    outcome: "Ignored"
  },
  notFound: { id: "status/404", match: { status: [404, 410] }, kind: "invalid_request", outcome: "Ignored" },
  // Among them 400, 405, 409, 415, 422.
  status: { id: "status/4xx", match: { status: [[400, 499]] }, kind: "invalid_request", outcome: "Ignored" },
  code: {
    id: "code/invalid-request",
    match: {
      code: [
        "invalid_request_error",
        "not_found_error",
        // What the responses API says of images in a request.
        /^(?:invalid|unsupported)_image/,
        /^image_(?!content_policy)/,
        "FAILED_PRECONDITION",
        "ResourceNotFoundException",
        "resourceNotFoundException",
        "AiError/InvalidRequestError",
        pattern`
          ^(?:invalid|missing|unsupported|unknown|unrecognized|illegal|bad).?
          (?:request|param\w{0,8}|argument|value|field|input|json|body|message|schema|format|image|role|tool)
        `,
        /^(?:bad.?request|validation|unprocessable|not.?found)(?:.?(?:error|exception))?$/i,
        "base_resp/2013",
        "error_code/3",
        "error_code/336003",
        "error_code/336002",
        "error_code/336001"
      ]
    },
    kind: "invalid_request",
    outcome: "Ignored"
  },
  message: {
    id: "message/invalid-request",
    match: {
      status: ["none"],
      message: [
        pattern`
          ^(?:
            (?:input )?validation error|missing required|bad request|(?:unknown|unsupported) parameter|
            invalid (?:request|param\w{0,8}|argument|value|input|json)
          )\b
        `
      ]
    },
    kind: "invalid_request",
    outcome: "Ignored"
  }
} as const satisfies Readonly<Record<string, Row>>
