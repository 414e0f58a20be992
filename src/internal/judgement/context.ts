/** Requests that are too long for the model: a target with a larger window may serve them. */
import { type Row } from "./row.ts"

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
        /\bmaximum context length|\bexceeds? (?:the |its |this )?(?:model'?s )?(?:maximum )?context (?:window|length|limit)/i
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
        /\b(?:exceed\w{0,3}|longer than|larger than|greater than|more than|over\w{0,6}|beyond|outside|surpass\w{0,3}|too (?:long|large|big|many \w{1,12}) for|fits? in\w{0,4}|reduce|maximum|max)\b.{0,60}\bcontext[ _-]?(?:length|window|size|limit|budget|capacity)/i,
        /\bcontext[ _-]?(?:length|window|size|limit|budget|capacity)(?=\b|_).{0,40}(?:\b|_)(?:exceed\w{0,3}|over\w{0,6}|reached|too|insufficient|not enough|is \d|of \d)/i,
        /\b(?:prompt|input|inputs|messages?|query|conversation|history|sequence|text|document|content)\b.{0,60}\b(?:tokens?|length|size|characters|long)\b.{0,40}\b(?:exceed\w{0,3}|longer than|larger than|more than|over)\b.{0,60}\b(?:max\w{0,15}|limit\w{0,3}|allowed|supported|threshold|length|window|\d)/i,
        /\b(?:prompt|input|query|messages?|conversation|history|context)\b.{0,20}\bexceed\w{0,3}\b.{0,40}\b(?:tokens?|length|context|window|max_\w{1,24})\b/i,
        /\b(?:prompt|inputs?|context|query|conversation|messages?|text|question|chat history|input text|request) (?:is |are |was |were )?(?:way |far |much )?too (?:long|large)\b/i,
        /\b(?:prompt|input|request|sequence|messages?)\b.{0,16}\b(?:longer|larger|bigger) than\b.{0,60}\btokens?\b/i,
        /\bmax(?:imum)? context\b/i,
        /\btokens? in (?:the |your )?(?:request|prompt|input|messages?)\b.{0,24}\b(?:exceed\w{0,3}|more than|over|larger)\b/i,
        /\btotal (?:number of |of )?tokens\b.{0,60}\b(?:exceed\w{0,3}|more than|over)\b/i,
        /\b(?:request|requested)\b.{0,24}\bexceed\w{0,3}\b.{0,30}\btoken limit\b/i,
        /\btoken (?:limit|count)\b.{0,16}\b(?:exceed\w{0,3}|overflow|above|beyond|(?:larger|more|greater) than)/i,
        /\bmaximum (?:\w{1,12} )?(?:prompt|input|sequence|model|text) length\b|\bmax[_ ](?:model|input|prompt|seq(?:uence)?)[_ ]?(?:len|length|tokens)\b|\bmax_num_tokens\b|\bn_ctx\b|\bslot context\b/i,
        /\bmaximum number of (?:input |prompt )?tokens\b/i,
        /\bmust have (?:less|fewer) than \d{1,9} tokens|\btokens?\b.{0,30}\bmust be (?:<=|less than|at most)|\brange of input length\b|\bcurrent length is \d{1,9} while limit\b/i,
        /\b(?:reduce|shorten|trim|truncate|decrease)\b.{0,16}\b(?:length|size|number|amount)?.{0,16}\b(?:messages?|prompt|input|conversation|context|chat history)\b/i,
        /\bmax\w{0,20} must be at least 1, got -/i,
        /\b(?:fits? (?:in|into|within)|beyond|exceed\w{0,3})\b.{0,24}\bcontext\b|\b(?:larger|longer|bigger) context\b|\btoo (?:long|large) for .{0,40}\b(?:context|tokens)\b/i,
        /(?:超过|超出|大于).{0,16}(?:长度|上下文|token)|上下文.{0,10}(?:过长|超)|(?:输入|文本|问题|内容|prompt).{0,8}(?:超长|过长|太长)/i
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
