/** Rates: too much for this moment, and a wait is all it takes. */
import { pattern } from "./patterns.ts"
import { rateLimit, type Row } from "./row.ts"

export const throttle = {
  code: {
    id: "code/rate-limited",
    match: {
      code: [
        "rate_limit_exceeded",
        "rate_limit_error",
        "ramp_limit_exceeded",
        /rate.?limit|throttl|too.?many.?(?:requests|tokens)|slow.?down/i,
        pattern`
          (?:requests?|tokens?|rate|concurren\w{2,4}|connections?|qps|rpm|tpm|rps).?
          (?:limit|quota)(?:s|ed)?(?:.?(?:exceeded|reached|error))?$
        `,
        /resource.{0,10}exhausted/i,
        /^(?:qps|rpm|tpm|rps).?(?:exceeded|limit)/i,
        "base_resp/1002",
        "base_resp/1039",
        "base_resp/1041",
        "error_code/4",
        "error_code/18",
        "error_code/336501",
        "error_code/336502",
        "error_code/336503",
        "error_code/336504",
        "ModelArts.81101"
      ]
    },
    kind: "rate_limited",
    outcome: rateLimit
  },
  number: {
    id: "number/rate-limited",
    match: { status: [400, 403, "none"], code: ["1302", "1303", "1305"] },
    kind: "rate_limited",
    outcome: rateLimit
  },
  /** The allowance of a day, unless the provider says that it is a short wait. */
  daily: {
    id: "message/per-day",
    match: { status: [429], message: [/\bper[- ]day\b|\bdaily\b|\b[rt]pd\b/i] },
    kind: "rate_limited",
    outcome: { short: "Throttled", long: "OpenNow", none: "OpenNow" }
  },
  /** With a status that says something else, or none, for the provider begins with it. */
  message: {
    id: "message/rate-limited",
    match: {
      status: ["none", [400, 428], [430, 499], 500, 502],
      message: [
        // `Rate limit reached.`
        pattern`
          ^(?:sorry,? )?(?:(?:
            api|the|your|request|requests|token|model|user|account|organization|secondary|global|upstream|
            openai|anthropic|this request would exceed (?:your|the)
          ) ){0,4}(?:rate|rpm|tpm|qps|concurrency|request|requests)[ -]?(?:limit\w{0,4}|quota)\b
        `,
        // `Too many requests.`
        pattern`
          ^(?:sorry,? )?(?:
            (?:too many|too frequent|excessive) (?:\w{1,12} )?(?:requests|calls|connections|tokens per)|
            request(?:s|ed)? (?:was |were |are |is )?
            (?:rejected due to rate|too (?:fast|frequent|often|many)|throttled|rate)|
            throttl\w{2,5}|slow down
          )\b
        `,
        // `You have exceeded the rate limit.`
        pattern`
          ^(?:you|your \w{1,16}) (?:have |has |are |were |is )?
          (?:exceeded|reached|hit|being|been|exceeding|sending) (?:\S{1,16} ){0,6}?(?:
            rate[ -]?limit\w{0,4}|requests? per|tokens? per|too (?:fast|many requests|frequently)|
            throttled|concurren\w{2,4}
          )
        `,
        /^.{0,16}(?:请求过于频繁|请求频繁|请求过多|频率|限流|并发)/
      ]
    },
    kind: "rate_limited",
    outcome: rateLimit
  },
  status: { id: "status/429", match: { status: [429] }, kind: "rate_limited", outcome: rateLimit }
} as const satisfies Readonly<Record<string, Row>>
