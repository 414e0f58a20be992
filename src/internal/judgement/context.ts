/** Requests that are too long for the model: a target with a larger window may serve them. */
import { part, pattern } from "./patterns.ts"
import { type Row } from "./row.ts"

// A window, what is put into it, and what is said of the one that is larger.
const contextSize = "context[ _-]?(?:length|window|size|limit|budget|capacity)"
const exceeds = part`exceed\w{0,3}`
const longer = "longer than|larger than|more than|over"

export const context = {
  code: {
    id: "code/context-length",
    match: {
      code: [
        "context_length_exceeded",
        "request_too_large",
        "string_above_max_length",
        "ContextOverflowError",
        "tokens_limit_reached",
        "CONTENT_LENGTH_EXCEEDS_THRESHOLD",
        /context.?(?:length|window|size|limit).{0,3}(?:exceed|error|overflow|reached|too)/i,
        /exceed.{0,3}(?:max.?)?context/i,
        /(?:prompt|input|message|token|text|query|content|request|payload)s?.?(?:is.?)?too.?(?:long|large|big)/i,
        /(?:prompt|input|max.?input|prompt.?tokens?|input.?tokens?).?(?:limit.?|length.?)?(?:exceed|overflow)/i,
        "error_code/336007",
        "error_code/336103"
      ]
    },
    kind: "context_length",
    outcome: "Ignored"
  },
  number: {
    id: "number/context-length",
    match: { status: [400, 413, 422, "none"], code: ["1261"] },
    kind: "context_length",
    outcome: "Ignored"
  },
  // One request above the limit per minute: waiting never helps.
  tooLarge: {
    id: "message/request-too-large",
    match: {
      status: [413, 429],
      message: [
        /\b(?:request|prompt|input|message|context)s? (?:is |body )?too (?:large|long)/i,
        pattern`
          \bmaximum context length|
          \bexceeds? (?:the |its |this )?(?:model'?s )?(?:maximum )?context (?:window|length|limit)
        `,
        /\brequired for long[- ]context\b/i
      ]
    },
    kind: "context_length",
    outcome: "Ignored"
  },
  message: {
    id: "message/context-length",
    match: {
      status: [400, 413, 422, 500, "none"],
      message: [
        pattern`
          \b(?:
            ${exceeds}|${longer}|greater than|over\w{0,6}|beyond|outside|surpass\w{0,3}|
            too (?:long|large|big|many \w{1,12}) for|fits? in\w{0,4}|reduce|maximum|max
          )\b.{0,60}\b${contextSize}
        `,
        pattern`
          \b${contextSize}(?=\b|_).{0,40}(?:\b|_)
          (?:${exceeds}|over\w{0,6}|reached|too|insufficient|not enough|is \d|of \d)
        `,
        pattern`
          \b(?:prompt|input|inputs|messages?|query|conversation|history|sequence|text|document|content)\b.{0,60}
          \b(?:tokens?|length|size|characters|long)\b.{0,40}\b(?:${exceeds}|${longer})\b
          .{0,60}\b(?:max\w{0,15}|limit\w{0,3}|allowed|supported|threshold|length|window|\d)
        `,
        pattern`
          \b(?:prompt|input|query|messages?|conversation|history|context)\b.{0,20}\b${exceeds}\b
          .{0,40}\b(?:tokens?|length|context|window|max_\w{1,24})\b
        `,
        pattern`
          \b(?:prompt|inputs?|context|query|conversation|messages?|text|question|chat history|input text|request)
          (?: is| are| was| were)?(?: way| far| much)? too (?:long|large)\b
        `,
        /\b(?:prompt|input|request|sequence|messages?)\b.{0,16}\b(?:longer|larger|bigger) than\b.{0,60}\btokens?\b/i,
        /\bmax(?:imum)? context\b/i,
        pattern`
          \btokens? in (?:the |your )?(?:request|prompt|input|messages?)\b.{0,24}\b
          (?:${exceeds}|more than|over|larger)\b
        `,
        /\btotal (?:number of |of )?tokens\b.{0,60}\b(?:exceed\w{0,3}|more than|over)\b/i,
        /\b(?:request|requested)\b.{0,24}\bexceed\w{0,3}\b.{0,30}\btoken limit\b/i,
        /\btoken (?:limit|count)\b.{0,16}\b(?:exceed\w{0,3}|overflow|above|beyond|(?:larger|more|greater) than)/i,
        pattern`
          \b(?:
            maximum (?:\w{1,12} )?(?:prompt|input|sequence|model|text) length|
            max[_ ](?:model|input|prompt|seq(?:uence)?)[_ ]?(?:len|length|tokens)|
            max_num_tokens|n_ctx|slot context
          )\b
        `,
        /\bmaximum number of (?:input |prompt )?tokens\b/i,
        pattern`
          \bmust have (?:less|fewer) than \d{1,9} tokens|\btokens?\b.{0,30}\bmust be (?:<=|less than|at most)|
          \b(?:range of input length|current length is \d{1,9} while limit)\b
        `,
        pattern`
          \b(?:reduce|shorten|trim|truncate|decrease)\b.{0,16}\b(?:length|size|number|amount)?.{0,16}
          \b(?:messages?|prompt|input|conversation|context|chat history)\b
        `,
        /\bmax\w{0,20} must be at least 1, got -/i,
        /\b(?:fits? (?:in|into|within)|beyond|exceed\w{0,3})\b.{0,24}\bcontext\b/i,
        /\b(?:larger|longer|bigger) context\b|\btoo (?:long|large) for .{0,40}\b(?:context|tokens)\b/i,
        pattern`
          (?:超过|超出|大于).{0,16}(?:长度|上下文|token)|上下文.{0,10}(?:过长|超)|
          (?:输入|文本|问题|内容|prompt).{0,8}(?:超长|过长|太长)
        `
      ]
    },
    kind: "context_length",
    outcome: "Ignored"
  },
  manyTokens: {
    id: "message/too-many-tokens",
    match: { status: [400, 413, 422, "none"], message: [/\btoo many (?:input |prompt |context )?tokens\b/i] },
    kind: "context_length",
    outcome: "Ignored"
  },
  status: { id: "status/413", match: { status: [413] }, kind: "context_length", outcome: "Ignored" }
} as const satisfies Readonly<Record<string, Row>>
