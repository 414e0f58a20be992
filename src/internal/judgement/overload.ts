/** No room: the provider is well enough to say that it cannot take the call now. */
import { part, pattern } from "./patterns.ts"
import { type Row } from "./row.ts"

/** What a provider says of itself when it has no room. */
const busy = part`
  (?:
    over ?loaded|server overload|resource shortage|too busy|temporarily unavailable|currently unavailable|
    (?:is|are|server|model|system|service|currently) busy|unable to handle additional|
    (?:at|over|out of|no|insufficient|limited|lack of|exceeds?) (?:\w{1,12} )?capacity|
    capacity (?:is )?(?:exceeded|exhausted|reached|full|constraints?|limits?)|
    high (?:demand|traffic|load|volume)|heavy (?:load|traffic)|
    queue (?:is |was )?full|full queue|queue limit|(?:maximum|max|too many) (?:pending|queued|waiting) requests|
    no (?:available|healthy|free|idle|ready|active) (?:\w{1,12} )?(?:
      instances?|workers?|channels?|upstreams?|servers?|replicas?|backends?|
      nodes?|gpus?|providers?|endpoints?|deployments?|slots?
    )|
    currently loading|(?:is|still|being|model) (?:\w{1,12} )?loading|loading model|initiali[sz]ing|
    cold start|not ready|(?:warming|starting|spinning|waking|booting) up|scaling up|no more data centers
  )
`

export const overload = {
  code: {
    id: "code/overloaded",
    match: {
      code: [
        "overloaded_error",
        "server_is_overloaded",
        "UNAVAILABLE",
        /overload/i,
        /(?:^|[^a-z])(?:no|at|over|out.?of|insufficient|model|not.?enough|flex|tier).?capacity/i,
        /capacity.?(?:exceeded|exhausted|unavailable)|^nocapacity/i,
        /queue.?(?:exceeded|full|limit|overflow)/i,
        pattern`
          (?:model|server|service|engine|system|backend|upstream|provider|temporarily|resource)s?
          .?(?:is.?|temporarily.?)?(?:busy|unavailable|not.?ready|loading|unreachable)
        `,
        /^unavailable|unreachable.?backend|closed.?endpoint/i,
        /endpoint.?(?:paused|closed|stopped|not.?(?:ready|running))/i,
        /no.?(?:available|healthy).?(?:channel|provider|upstream|backend|key)/i,
        "error_code/2",
        "error_code/336100",
        "base_resp/1033"
      ]
    },
    kind: "overloaded",
    outcome: "Failure"
  },
  number: {
    id: "number/overloaded",
    // Z.AI, SiliconFlow, Cloudflare.
    match: { status: [429, 500, 503, "none"], code: ["1312", "50505", "3040"] },
    kind: "overloaded",
    outcome: "Failure"
  },
  /** The status agrees: it is not the caller's doing. */
  message: {
    id: "message/overloaded-by-status",
    match: {
      status: [429, 498, 500, 502],
      message: [pattern`\b${busy}\b`, /访问量过大|繁忙|负载|过载|无可用渠道|资源不足/]
    },
    kind: "overloaded",
    outcome: "Failure"
  },
  /** With a status that blames the caller, or none, for the provider begins with it. */
  said: {
    id: "message/overloaded",
    match: {
      status: ["none", [400, 428], [430, 497]],
      message: [
        // `The model is currently overloaded.`
        pattern`
          ^(?:sorry,? )?
          (?:(?:the|this|our|your|selected|requested|we|we're|we are|all|experiencing|currently|that|target) ){0,3}
          (?:(?:
            model|endpoint|server|servers|service|system|engine|deployment|upstream|provider|inference|api|instance|
            backend|it|experiencing|is
          )(?:'s)? ?(?:'' |\S{1,40} )?){0,2}(?:\w{1,12} ){0,4}?${busy}\b
        `,
        // `The endpoint is paused.`
        pattern`
          ^(?:sorry,? )?(?:(?:the|this|our|your|selected|requested|inference|dedicated) ){0,2}
          (?:model|endpoint|server|service|engine|deployment|instance|backend|function)
          (?: id| for)?(?: ''| \S{1,80})?:?
          (?: is | has | was | failed| could not| cannot be| did| degraded)\b.{0,24}\b(?:
            paused|degraded|unhealthy|invoked|crashed|not loaded|failed to load|unloaded|unavailable|stopped|down|
            not running|not deployed|out of memory|died|exited|scaled to zero|to load|respond|asleep|sleeping|closed|
            offline|shut ?down|terminated unexpectedly
          )\b
        `,
        /^no models? (?:is |are |currently )?(?:loaded|available|running)\b/i,
        /^the request targeted an endpoint that is currently closed/i,
        /^.{0,12}(?:访问量过大|服务繁忙|系统繁忙|模型繁忙|负载过高|无可用渠道)/
      ]
    },
    kind: "overloaded",
    outcome: "Failure"
  },
  groq: { id: "status/498", match: { status: [498] }, kind: "overloaded", outcome: "Failure" },
  status: { id: "status/overloaded", match: { status: [503, 529] }, kind: "overloaded", outcome: "Failure" }
} as const satisfies Readonly<Record<string, Row>>
