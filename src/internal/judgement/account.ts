/**
 * Refusals of who asks and from where: keys, accounts, rights, plans and countries. They say nothing of the provider's
 * health and nothing of the request: another target, with another account or in another place, may serve it.
 */
import { type Row } from "./row.ts"

const who =
  "(?:account|org\\w{0,12}|team|workspace|tenant|project|user|api[- ]?key|key|access token|subscription|plan|ip(?: address)?|customer|credentials?|region|resource|model access)"

export const account = {
  code: {
    id: "code/auth",
    match: {
      code: [
        "invalid_api_key",
        "authentication_error",
        "permission_error",
        "API_KEY_INVALID",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "organization_on_hold",
        "MODEL_AUTHENTICATION",
        "CredentialsProviderError",
        "TokenProviderError",
        "AccessDeniedException",
        "accessDeniedException",
        "ExpiredTokenException",
        "expiredTokenException",
        "UnrecognizedClientException",
        "unrecognizedClientException",
        "AiError/AuthenticationError",
        /(?:invalid|incorrect|expired|missing|wrong|revoked|disabled|no|bad|unknown|inactive).?(?:api.?|access.?|auth\w{0,14}.?|security.?|bearer.?)?(?:key|credentials?|authentication|authorization|signature|subscription.?key)$/i,
        /(?:invalid|expired|missing|revoked).?(?:api|access|auth|security|bearer).?token/i,
        /(?:key|credentials?|signature|access.?token|auth\w{0,14}|iam).{0,4}(?:invalid|expired|missing|mismatch|revoked|disabled|not.?found|error|failed|failure|required|exception)/i,
        /unauthori[sz]ed|unauthenticated|^(?:forbidden|unauthorized)|permission.?(?:denied|error)|no.?permission|access.?(?:denied|error|forbidden|terminated|disabled)|no.?access|not.?authori[sz]ed/i,
        /(?:account|organi[sz]ation|user|project|team|workspace|key|tenant).{0,4}(?:on.?hold|restricted|disabled|deactivated|suspended|banned|blocked|locked|inactive|not.?active|terminated|not.?verified|invalid)/i,
        /(?:unsupported|unavailable|restricted|blocked|invalid).?(?:country|region|location|territory)|region.?(?:error|blocked|not|restrict)|geo.?(?:block|restrict)|country.?(?:not|block)/i,
        /(?:model|service|plan).?not.?(?:open|activated|enabled|allowed|entitled|included|purchased|subscribed)|verification.?required|operation.?denied|^request.?not.?allowed/i,
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
      message: [
        new RegExp(
          `^(?:sorry,? )?(?:your|this|the|current) (?:\\w{1,16} ){0,3}${who}\\b[^:"]{0,80}\\b(?:disabled|suspended|deactivated|banned|blocked|restricted|locked|terminated|on hold|inactive|revoked|deleted|not (?:been |yet )?(?:verified|authorized|active|activated|enabled|allowed|permitted|entitled|registered|include)|must be verified|(?:does|do)(?:n't| not) (?:yet )?(?:have|include|support|allow)|lacks?)\\b`,
          "i"
        ),
        new RegExp(
          `^(?:${who}) (?:'' |\\S{1,40} )?(?:is |has been |was |are )(?:\\w{1,12} )?(?:disabled|suspended|deactivated|banned|blocked|restricted|locked|terminated|on hold|inactive|revoked|expired|invalid|not (?:active|valid|authorized|allowed|found|verified))\\b`,
          "i"
        ),
        /^(?:(?:user|your|this|the|current|client|request) ){0,3}(?:location|region|country|territory|ip(?: address)?)\b.{0,60}\b(?:not|un)[ -]?(?:supported|available|allowed|permitted|served)\b/i,
        /^[^:;"?]{0,80}\b(?:not|un)(?: yet| currently)? ?(?:available|supported|offered|accessible|served)\b.{0,16}\b(?:in|for|from) (?:your|this|the user'?s?)? ?(?:current )?(?:country|region|location|area|territory|account|plan|tier|subscription|organi[sz]ation|project)\b/i,
        /^(?:an? )?(?:invalid|incorrect|wrong|missing|expired|no|unauthorized|malformed|revoked|bad)(?: or \w{1,12})? (?:\w{1,12} ){0,2}?(?:api[- ]?key|access token|auth token|bearer token|token|credentials?|authentication|authorization|subscription key)\b/i,
        /^(?:(?:the|your|this|provided) ){0,3}(?:api[- ]?key|access token|auth(?:entication|orization)?(?: token| header)?|token|credentials?|security token|bearer)\b.{0,40}(?:\b(?:invalid|expired|missing|required|failed|failure|incorrect|not valid|not found|error|revoked|not provided|disabled)\b|非法|无效|过期)/i,
        /^(?:you|user|caller) (?:do(?:es)? not|don't|doesn't|are not|is not|must|need to|have not|haven't|has not|lacks?)\b.{0,60}\b(?:access|permission|permissions|authori[sz]ed|allowed|verified|entitled|agreed?|accept(?:ed)?|sign(?:ed)?|logged in|an active|subscribed|eligible)\b/i,
        // No key was found, and nothing was sent.
        /^could not (?:resolve authentication|load (?:the default )?credentials)\b/i,
        /^the \w{1,32}_API_KEY environment variable is missing\b/i,
        /^(?:access (?:denied|forbidden|to (?:the|this) (?:requested )?(?:model|resource))|permission denied|unauthorized|unauthenticated|forbidden|not authorized|request not allowed|operation not allowed|login fail|please (?:log|sign) ?in|no access to)\b/i,
        /^(?:model )?use case details have not been submitted|^function\b.{0,60}\bnot found for account|^no endpoints? (?:available|found) (?:that )?match(?:ing|es)? your\b/i,
        /^(?:gemini|claude|gpt|grok|the|this|our)\b[^:;"?]{0,60}\brequires? (?:\w{1,12} ){0,3}(?:verification|subscription|agreement|paid plan|paid tier|credit card|payment method|higher tier)\b/i,
        /^(?:令牌|密钥|(?:api)? ?key|token|authorization token|账号|账户|用户|鉴权|认证|身份|无权|没有权限|未授权|您没有|当前(?:账|令牌|分组)).{0,24}(?:无效|非法|过期|失败|禁用|封禁|错误|不存在|权|冻结|无权)/i
      ]
    },
    kind: "auth",
    outcome: "Ignored"
  },
  status: { id: "status/auth", match: { status: [401, 403, 407] }, kind: "auth", outcome: "Ignored" }
} as const satisfies Readonly<Record<string, Row>>
