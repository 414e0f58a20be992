/** Refusals of content: a verdict on what was asked or answered, which no other target is to give instead. */
import { part, pattern } from "./patterns.ts"
import { type Row } from "./row.ts"

// What providers call their rules, what they do by them, and what they find.
const policy = "(?:content|usage|use|our) polic(?:y|ies)"
const withheld = "flagged|blocked|rejected|refused|filtered|declined"
const offence = part`
  (?:inappropriate|sensitive|unsafe|harmful|prohibited|disallowed|objectionable|offensive|nsfw|explicit|illegal)
`

export const content = {
  code: {
    id: "code/content-policy",
    match: {
      code: [
        "content_policy_violation",
        "content_filter",
        "invalid_prompt",
        "ResponsibleAIPolicyViolation",
        "bio_policy",
        "misalignment_policy_violation",
        "hooks_failed",
        "ModelRefusalError",
        "Answer/refused",
        // How an answer ended, where a client hands that out as an error.
        "refusal",
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "IMAGE_SAFETY",
        "sensitive",
        /content.?(?:filter|policy|moderation|block|safety|violation|risk)/i,
        /censor|moderation|guardrail|jailbreak|cyber.?policy|usage.?policy/i,
        /sensitive.?(?:content|words?|data|info)|(?:data|content).?inspection|risk.?detect|infringement|inappropriate/i,
        /safety.?(?:check|filter|system|violation|block|breach|error|policy|rejected)/i,
        /(?:prompt|input|output|text|image).?(?:blocked|flagged|rejected.?by.?safety|policy.?violation)/i,
        "base_resp/1026",
        "base_resp/1027",
        "error_code/336104",
        "error_code/17006"
      ]
    },
    kind: "content_policy",
    outcome: "Ignored"
  },
  number: {
    id: "number/content-policy",
    match: { status: [400, 403, 429, "none"], code: ["1301"] },
    kind: "content_policy",
    outcome: "Ignored"
  },
  message: {
    id: "message/content-policy",
    match: {
      status: [400, 403, 406, 409, 421, 422, 424, 446, 451, 500, "none"],
      message: [
        pattern`
          content (?:usage )?
          (?:policy|policies|management policy|filter|filtering|filters|moderation|safety|restrictions?|guidelines)\b
        `,
        pattern`
          \b(?:${withheld}|denied|withheld|censored)\b.{0,80}\b(?:
            ${policy}|guidelines|safety|moderation|content filters?|guardrails?|
            sensitiv|inappropriate|harmful|unsafe|cyber
          )
        `,
        pattern`
          \b(?:safety|moderation|guardrails?|content filters?|${policy})\b.{0,60}\b
          (?:${withheld}|intervened|triggered|violat)
        `,
        pattern`
          \b(?:violat\w{1,6}|goes against|breach\w{0,3})\b.{0,60}
          \b(?:polic(?:y|ies)|guidelines|terms|rules|standards|community)\b
        `,
        pattern`
          \b(?:
            requires moderation|flagged (?:for|as|by|because)|
            (?:was|were|is|been|as|request|input|prompt|content|message) flagged
          )\b
        `,
        pattern`\b${offence}\b.{0,24}\b(?:content|information|material|words?|text|input|prompt|output|image|data)\b`,
        pattern`
          \b(?:
            safety (?:system|filters?|checks?|reasons|policy|policies|settings|guidelines|classifier)|due to safety|
            responsible ai|content exists risk|risk control|recitation|copyright(?:ed)?
          )\b
        `,
        /\bcontent[- ](?:is |was |has been )?(?:blocked|prohibited|rejected|not allowed|not permitted)\b/i,
        /\bpolicy violations?\b/i,
        // `The content you provided is blocked.`, `Prompt blocked.`
        /^the content you \w{2,12}\b.{0,40}\bblocked\b|^(?:prompt|response) (?:was )?blocked\b/i,
        /SAFETY_CHECK_TYPE|GUARDRAIL_INTERVENED/,
        /敏感|违规|违禁|不合规|内容安全|安全审核|不安全|风控|违法/
      ]
    },
    kind: "content_policy",
    outcome: "Ignored"
  },
  // Of gateways: a guardrail of their own has spoken.
  status: { id: "status/446", match: { status: [446] }, kind: "content_policy", outcome: "Ignored" }
} as const satisfies Readonly<Record<string, Row>>
