/** Refusals of content: a verdict on what was asked or answered, which no other target is to give instead. */
import { type Row } from "./row.ts"

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
        "image_content_policy_violation",
        "hooks_failed",
        "ModelRefusalError",
        "AiError/ContentPolicyError",
        "Answer/refused",
        // How an answer ended, where a client hands that out as an error.
        "refusal",
        "SAFETY",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "IMAGE_SAFETY",
        "content_filtered",
        "content-filter",
        "sensitive",
        /content.?(?:filter|policy|moderation|block|safety|violation|risk)/i,
        /moderation|guardrail|jailbreak|cyber.?policy|usage.?policy/i,
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
      status: [400, 403, 406, 409, 421, 422, 446, 451, 500, "none"],
      message: [
        /content (?:usage )?(?:policy|policies|management policy|filter|filtering|filters|moderation|safety|restrictions?|guidelines)\b/i,
        /\b(?:flagged|blocked|rejected|refused|filtered|declined|denied|withheld|censored)\b.{0,80}\b(?:safety|moderation|(?:content|usage|use|our) polic(?:y|ies)|guidelines|content filters?|guardrails?|sensitiv|inappropriate|harmful|unsafe|cyber)/i,
        /\b(?:safety|moderation|guardrails?|content filters?|(?:content|usage|use|our) polic(?:y|ies))\b.{0,60}\b(?:flagged|blocked|rejected|refused|filtered|declined|intervened|triggered|violat)/i,
        /\b(?:violat\w{1,6}|goes against|breach\w{0,3})\b.{0,60}\b(?:polic(?:y|ies)|guidelines|terms|rules|standards|community)\b/i,
        /\b(?:requires moderation|(?:was|were|is|been|as|request|input|prompt|content|message) flagged|flagged (?:for|as|by|because))\b/i,
        /\b(?:inappropriate|sensitive|unsafe|harmful|prohibited|disallowed|objectionable|offensive|nsfw|explicit|illegal)\b.{0,24}\b(?:content|information|material|words?|text|input|prompt|output|image|data)\b/i,
        /\b(?:safety (?:system|filters?|checks?|reasons|policy|policies|settings|guidelines|classifier)|due to safety|responsible ai|content exists risk|risk control|recitation|copyright(?:ed)?)\b/i,
        /\bcontent[- ](?:is |was |has been )?(?:blocked|prohibited|rejected|not allowed|not permitted)\b/i,
        /\bpolicy violations?\b/i,
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
