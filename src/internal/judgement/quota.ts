/** Money, credits and allowances that are gone: an empty wallet is no rate limit, and no wait of a moment fills it. */
import { type Row } from "./row.ts"

// What runs out, in the words of many.
const money = "(?:balance|credits?|quota|funds?|points|wallet|allowance|allocation|budget|neurons)"
const empty =
  "(?:insufficient|too low|exhausted|depleted|used up|not enough|not sufficient|run out|ran out|empty|zero|negative|below|overdue|over|expired)"
const period =
  "(?:daily|weekly|monthly|yearly|annual|weekly\\/monthly|\\d{1,2}[- ](?:hour|day)|five-hour|lifetime|session)"

export const quota = {
  code: {
    id: "code/quota",
    match: {
      code: [
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_error",
        "billing_hard_limit_reached",
        "billing_not_active",
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
        "quota_exceeded",
        "ServiceQuotaExceededException",
        "serviceQuotaExceededException",
        "AiError/QuotaExhaustedError",
        /insufficient.?(?:\w{1,12}.?)?(?:quota|balance|credit|fund|point)/i,
        /(?:not.?enough|no|low|out.?of|more).?(?:balance|credits?|quota|funds)(?:$|.?(?:left|required|needed|error|exception|available|remaining))/i,
        /(?:balance|credits?|funds|resource.?pack).?(?:is.?)?(?:exhausted|depleted|insufficient|exceeded|too.?low|used.?up|not.?enough|required|limit|error)/i,
        /^credits.?error/i,
        /(?<!(?:tokens?|requests?|rate|rpm|tpm).?)quota.?(?:is.?)?(?:exceeded|exhausted|not.?enough|limit.?reached|used.?up)/i,
        /exceed\w{0,3}.?(?:your.?)?(?:current.?)?quota/i,
        /(?:spend|spending|billing|usage|budget|credit|monthly|weekly|daily|set).?(?:hard.?|soft.?)?(?:limit|cap)(?:.?(?:exceeded|reached|error|exception|exhausted))?$/i,
        /budget.?exceeded|payment.?required|overdue|arrear|billing.?(?:error|issue|disabled|not|inactive|required|suspended)/i,
        /free.?(?:tier|trial|quota|credits?).{0,6}(?:only|exceeded|exhausted|expired|ended|used)|(?:subscription|plan|trial|package|membership).?(?:has.?)?(?:expired|ended|inactive)/i,
        /tier.?daily/i,
        // Google's quota ids, such as `GenerateRequestsPerDayPerProjectPerModel-FreeTier`.
        /PerDay/,
        "base_resp/1008",
        "base_resp/1028",
        "base_resp/1030",
        "base_resp/2056",
        "error_code/17",
        "error_code/19"
      ]
    },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  number: {
    id: "number/quota",
    match: {
      status: [401, 402, 403, 429, "none"],
      // Z.AI, SiliconFlow, Cloudflare.
      code: ["1113", "1304", "1308", "1309", "1310", "30001", "3036"]
    },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  /** With any status, for the provider begins with it. */
  said: {
    id: "message/quota",
    match: {
      message: [
        new RegExp(
          `^(?:sorry,? )?(?:(?:your|the|this|api|account|user|team|org\\w{0,12}|customer|current|available|remaining|prepaid|free|token|you (?:have|are)) ?){0,5}(?:\\w{1,16} ){0,2}${money}\\b.{0,24}\\b${empty}\\b`,
          "i"
        ),
        new RegExp(
          `^(?:error |sorry,? |you have )?(?:an )?(?:insufficient|not enough|no(?:t sufficient)?|out of|low) (?:\\w{1,12} ){0,4}?${money}\\b`,
          "i"
        ),
        new RegExp(
          `^(?:you|your|this|the|sorry,? you) ?(?:\\S{1,24} ){0,5}?(?:used|spent|consumed|run out of|ran out of|out of|exhausted|exceeded|reached|hit|depleted) (?:\\S{1,16} ){0,6}?(?:(?:credits?|balance|funds|neurons|spend(?:ing)?|budget|prepaid|included)\\b|${period} (?:\\w{1,12} ){0,2}(?:limit|quota|cap|allowance|allocation|credits)|(?:usage|spend(?:ing)?|free(?: tier| trial)?|trial) (?:limits?|quota|cap|allowance|allocation))`,
          "i"
        ),
        new RegExp(
          `^(?:your |the |this )?${period}(?:\\/\\w{1,8})? (?:(?!rate)\\w{1,12} ){0,2}(?:limit|quota|allowance|allocation|cap|credits)\\b`,
          "i"
        ),
        new RegExp(
          `^(?:your|this|the) (?:\\w{1,16} ){0,4}(?:does|do)(?:n't| not) have (?:any |enough |sufficient )?(?:\\w{1,12} ){0,2}${money}\\b`,
          "i"
        ),
        /^(?:access denied|request (?:denied|rejected)|denied|operation is denied)\b.{0,60}\b(?:overdue|arrears|unpaid|balance|billing|payment|good stand(?:ing))\b/i,
        /^(?:your |the |this )?(?:\w{1,16} ){0,2}(?:account|subscription|plan|package|team|org\w{0,12}|project|workspace|service)\b.{0,80}\b(?:overdue|arrears|unpaid|past[- ]due|spend(?:ing)? (?:limit|cap)|invoices?|insufficient balance|negative balance|billing (?:is )?(?:disabled|not (?:active|enabled)|issue)|recharge|top[- ]?up|(?:package|subscription|plan|trial) (?:has |have |is )?(?:been )?(?:expired|ended|lapsed))/i,
        /^(?:your |the |this )?(?:\w{1,16} ){0,4}(?:package|subscription|plan|trial|membership|free (?:tier|trial|quota))\b.{0,40}\b(?:has |have |is )(?:been )?(?:expired|ended|lapsed|exhausted|used up|over)\b/i,
        /^(?:payment (?:is )?required|this request requires more credits|please (?:add|purchase|buy|recharge|top[- ]?up)|billing (?:hard|soft) limit|you (?:need|must) (?:to )?(?:add|purchase|buy|recharge|top[- ]?up|enable billing))\b/i,
        /^(?:key|account|api key|team|project|user|organization|total|credit|budget|spend(?:ing)?|usage) (?:spend(?:ing)? |usage |budget |total )?limit (?:has been |was )?(?:exceeded|reached|exhausted)/i,
        /^(?:您的|你的|当前|该|用户|账[户号])?.{0,12}(?:余额不足|(?:额度|配额|资源包|积分|点数)(?:不足|已?(?:用[尽完]|耗尽))|欠费|套餐.{0,6}(?:到期|过期|用完))/
      ]
    },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  /** Words that count with a status of refused accounts, unpaid ones or used quotas only. */
  message: {
    id: "message/quota-by-status",
    match: {
      status: [401, 402, 403, 412, 429],
      message: [
        new RegExp(
          `\\b(?:insufficient|not enough|lacks?|without|(?:do|does)(?:n't| not) have (?:any |enough |sufficient )?) ?(?:\\w{1,12} ){0,4}?${money}\\b`,
          "i"
        ),
        new RegExp(`\\b${money}\\b.{0,30}\\b${empty}\\b`, "i"),
        new RegExp(
          `\\b(?:used|spent|consumed|run out of|ran out of|out of|no (?:more|remaining|available)|exhausted|exceeded|reached|hit)\\b.{0,40}\\b(?:credits?|funds|neurons|balance|(?:spend|spending|budget|billing) (?:limit|cap)|spending|budget|prepaid|${period} (?:\\w{1,12} ){0,3}(?:limit|quota|cap|allowance|allocation|credits|balance)|usage (?:limits?|quota|cap)|free (?:tier|trial|quota|allocation|allowance)|inference limit)`,
          "i"
        ),
        new RegExp(
          `\\b${period}(?:\\/\\w{1,8})? (?:(?!rate)\\w{1,12} ){0,2}(?:limit|quota|allowance|allocation|cap|credits)\\b`,
          "i"
        ),
        /\b(?:key|account|plan|total|credit|budget|spend(?:ing)?|billing) (?:hard |soft )?(?:limit|cap) (?:has been |was )?(?:exceeded|reached|exhausted|hit)/i,
        /\b(?:purchase|buy|add|top[- ]?up|recharge|refill|requires? more|can only afford)\b.{0,24}\b(?:credits?|balance|funds|\d)|\btop[- ]?up\b|\brecharge\b/i,
        /\b(?:payment (?:is )?required|past[- ]due|overdue|unpaid|arrears|outstanding (?:balance|invoice)|past invoices|add a payment method|good stand(?:ing))\b/i,
        /\b(?:subscription|plan|package|trial|membership)\b.{0,40}\b(?:expired|ended|lapsed|cancell?ed|is over)\b/i,
        /\b(?:calls?|requests?|tokens?|messages?|queries) ?(?:per|\/|a|each) ?(?:week|month)\b/i,
        /余额不足|(?:额度|配额|资源包|积分|点数).{0,6}(?:不足|用[尽完]|耗尽)|欠费|充值|套餐.{0,6}(?:到期|过期|用完)/
      ]
    },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  // Elsewhere a quota may be one for each minute.
  denied: {
    id: "message/quota-denied",
    match: { status: [401, 403, 412], message: [/\bquota\b.{0,24}\bexceeded\b|\bexceeded\b.{0,24}\bquota\b/i] },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  none: {
    id: "message/no-quota-at-all",
    match: { status: [429], message: [/\blimit: 0\b/] },
    kind: "quota_exhausted",
    outcome: "OpenNow"
  },
  status: { id: "status/402", match: { status: [402] }, kind: "quota_exhausted", outcome: "OpenNow" }
} as const satisfies Readonly<Record<string, Row>>
