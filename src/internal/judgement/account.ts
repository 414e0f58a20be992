/**
 * Refusals of who asks and from where: keys, accounts, rights, plans and countries. They say nothing of the provider's
 * health and nothing of the request: another target, with another account or in another place, may serve it.
 */
import { part, pattern } from "./patterns.ts"
import { type Row } from "./row.ts"

const who = part`
  (?:
    account|org\w{0,12}|team|workspace|tenant|project|customer|credentials?|
    api[- ]?key|key|access token|subscription|plan|ip(?: address)?|region|resource|
    user(?! (?:message|role|prompt|content|input|turn))|(?:api |model )?access
  )
`
const owner = part`(?:account|org\w{0,12}|team|workspace|tenant|project)`
const stopped = part`
  (?:
    disabled|suspended|deactivated|banned|blocked|restricted|locked|terminated|on hold|inactive|revoked|deleted|
    leaked|compromised
  )
`
const negated = part`
  not (?:been |yet )?(?:verified|authorized|active|activated|enabled|allowed|permitted|entitled|registered)
`
const lacking = part`
  (?:
    must be verified|lacks?|not (?:been |yet )?include|
    (?:does|do)(?:n't| not) (?:yet )?(?:have|include|support|allow)
  )
`
const key = part`(?:api[- ]?key|access token|auth token|bearer token|token|credentials?|subscription key)`

/** How a provider begins that refuses who asks, or from where. */
const refusals = [
  // `Your organization has been disabled.`
  pattern`
    ^(?:sorry,? )?(?:your|this|the|current) (?:\w{1,16} ){0,3}${who}\b[^:"]{0,80}\b
    (?:${stopped}|${negated}|${lacking})\b
  `,
  // `Account x is suspended.`
  pattern`
    ^${who} (?:'' |\S{1,40} )?(?:is |has been |was |are )?(?:\w{1,12} )?
    (?:${stopped}|expired|invalid|not (?:active|valid|authorized|allowed|found|verified))\b
  `,
  // `No such project: x`, `The organization x does not exist.`
  pattern`
    ^(?:no such ${owner}\b|(?:(?:the|your|this) )?${owner}\b[^:"]{0,60}\b(?:does not|doesn't) exist\b)
  `,
  // `This credential is only authorized for …`
  pattern`^(?:your|this|the) ${key}\b.{0,24}\b(?:only (?:authorized|allowed|valid|permitted)|cannot be used)\b`,
  // `User location is not supported.`
  pattern`
    ^(?:(?:user|your|this|the|current|client|request) ){0,3}(?:location|region|country|territory|ip(?: address)?)\b
    .{0,60}\b(?:not|un)[ -]?(?:supported|available|allowed|permitted|served)\b
  `,
  // `It is not available in your country.`
  pattern`
    ^[^:;"?]{0,80}\b(?:not|un)(?: yet| currently)? ?(?:available|supported|offered|accessible|served)\b.{0,16}
    \b(?:in|for|from) (?:your|this|the user'?s?)? ?(?:current )?
    (?:country|region|location|area|territory|account|plan|tier|subscription)\b
  `,
  pattern`
    ^[^:;"?]{0,80}\bnot (?:yet |currently )?(?:available|supported|accessible)\b.{0,16}
    \b(?:in|for) (?:your|this) (?:current )?(?:organi[sz]ation|project)\b
  `,
  // `Invalid API key.`
  pattern`
    ^(?:an? )?(?:invalid|incorrect|wrong|missing|expired|no|unauthorized|malformed|revoked|bad)
    (?: or \w{1,12})? (?:\w{1,12} ){0,3}?(?:${key}|authentication|authorization)\b
  `,
  // `The API key is invalid.`
  pattern`
    ^(?:(?:the|your|this|provided) ){0,3}
    (?:${key}|auth(?:entication|orization)?(?: token| header)?|security token|bearer)\b.{0,40}\b
    (?:invalid|expired|missing|required|failed|failure|incorrect|error|revoked|disabled)\b
  `,
  pattern`^(?:(?:the|your|this|provided) ){0,3}${key}\b.{0,40}\bnot (?:valid|found|provided)\b`,
  // `You do not have access to the model.`
  pattern`
    ^(?:you|user|caller) (?:do(?:es)? not|don't|doesn't|are not|is not|must|need to|have not|haven't|has not)\b
    .{0,60}\b(?:
      access|permissions?|authori[sz]ed|allowed|verified|entitled|agreed?|accept(?:ed)?|
      sign(?:ed)?|logged in|an active|subscribed|eligible
    )\b
  `,
  // `Access denied.`
  pattern`
    ^(?:
      access (?:denied|forbidden|to (?:the|this) (?:requested )?(?:model|resource))|permission denied|
      unauthorized|unauthenticated|forbidden|not authorized|(?:request|operation) not allowed|
      login fail|please (?:log|sign) ?in|no access to
    )\b
  `,
  // `Gemini requires a paid plan.`
  pattern`
    ^(?:gemini|claude|gpt|grok|the|this|our)\b[^:;"?]{0,60}\brequires? (?:\w{1,12} ){0,3}
    (?:verification|subscription|agreement|terms|paid (?:plan|tier)|higher tier|credit card|payment method)\b
  `,
  // Clients that find no key, and send nothing.
  /^could not (?:resolve authentication|load (?:the default )?credentials)\b/i,
  /^the \w{1,32}_API_KEY environment variable is missing\b/i,
  // Bedrock, NVIDIA and OpenRouter.
  /^(?:model )?use case details have not been submitted/i,
  /^function\b.{0,60}\bnot found for account/i,
  /^no endpoints? (?:available|found) (?:that )?match(?:ing|es)? your\b/i,
  pattern`
    ^(?:令牌|密钥|(?:api)? ?key|token|authorization token|账号|账户|用户|鉴权|认证|身份|当前(?:账|令牌|分组)).{0,24}
    (?:无效|非法|过期|失败|禁用|封禁|错误|不存在|无?权|冻结)
  `,
  /^(?:没有权限|未授权|您没有.{0,24}权|无权)/
]

/** How codes are called, in the words of many. */
const named = [
  pattern`
    (?:invalid|incorrect|expired|missing|wrong|revoked|disabled|no|bad|unknown|inactive).?
    (?:api.?|access.?|auth\w{0,14}.?|security.?|bearer.?|subscription.?)?
    (?:key|credentials?|authentication|authorization|signature)$
  `,
  /(?:invalid|expired|missing|revoked).?(?:api|access|auth|security|bearer).?token/i,
  pattern`
    (?:key|credentials?|signature|access.?token|auth\w{0,14}|iam).{0,4}
    (?:invalid|expired|missing|mismatch|revoked|disabled|not.?found|error|fail(?:ed|ure))|
    (?:key|credentials?|signature|access.?token|auth\w{0,14}|iam).{0,4}(?:required|exception)
  `,
  /unauthori[sz]ed|unauthenticated|^forbidden|no.?permission|permission.?(?:denied|error)|not.?authori[sz]ed/i,
  /no.?access|access.?(?:denied|error|forbidden|terminated|disabled)|operation.?denied|^request.?not.?allowed/i,
  pattern`
    (?:account|organi[sz]ation|user|project|team|workspace|key|tenant).{0,4}(?:
      on.?hold|restricted|disabled|deactivated|suspended|banned|blocked|locked|inactive|
      not.?active|terminated|not.?verified|invalid|not.?found|(?:does.?)?not.?exist
    )
  `,
  /(?:unsupported|unavailable|restricted|blocked|invalid).?(?:country|region|location|territory)/i,
  /region.?(?:error|blocked|not|restrict)|geo.?(?:block|restrict)|country.?(?:not|block)/i,
  /(?:model|service|plan).?not.?(?:open|activated|enabled|allowed|entitled|included|purchased|subscribed)/i,
  /(?:verification|terms|consent|agreement|acceptance).?(?:is.?)?required/i
]

export const account = {
  code: {
    id: "code/auth",
    match: {
      code: [
        "invalid_api_key",
        "authentication_error",
        "permission_error",
        "MODEL_AUTHENTICATION",
        "CredentialsProviderError",
        "TokenProviderError",
        /^(?:expiredToken|unrecognizedClient)Exception$/i,
        ...named,
        // xAI writes the text of a gRPC status.
        /does not have permission/i,
        "base_resp/1004",
        "base_resp/2049",
        "base_resp/2061",
        "error_code/6",
        "error_code/13",
        "error_code/14",
        "error_code/100",
        "error_code/110",
        "error_code/111"
      ]
    },
    kind: "auth",
    outcome: "Ignored"
  },
  number: {
    id: "number/auth",
    match: {
      status: [400, 401, 403, 429, "none"],
      // Z.AI, Cloudflare.
      code: ["1000", "1001", "1002", "1003", "1004", "1110", "1111", "1112", "1120", "1121", "1220", "1311"]
        .concat("10000", "5016", "5018", "3041", "3023")
    },
    kind: "auth",
    outcome: "Ignored"
  },
  /** With any status, for the provider begins with it. */
  message: {
    id: "message/auth",
    match: {
      status: ["none", [400, 499], 500],
      message: refusals
    },
    kind: "auth",
    outcome: "Ignored"
  },
  status: { id: "status/auth", match: { status: [401, 403, 407] }, kind: "auth", outcome: "Ignored" }
} as const satisfies Readonly<Record<string, Row>>
