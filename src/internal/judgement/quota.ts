/** Money, credits and allowances that are gone: an empty wallet is no rate limit, and no wait of a moment fills it. */
import { part, pattern } from "./patterns.ts"
import { type Row } from "./row.ts"

// What runs out, in the words of many.
const money = "(?:balance|credits?|quota|funds?|points|wallet|allowance|allocation|budget|neurons)"
const empty = part`
  (?:
    insufficient|too low|exhausted|depleted|used up|not enough|not sufficient|run out|ran out|
    empty|zero|negative|below|overdue|over|expired
  )
`
const period = part`
  (?:daily|weekly|monthly|yearly|annual|weekly\/monthly|\d{1,2}[- ](?:hour|day)|five-hour|lifetime|session)
`
const used = "used|spent|consumed|run out of|ran out of|out of|exhausted|exceeded|reached|hit"
const limit = "(?:limit|quota|cap|allowance|allocation|credits)"
const ended = "expired|ended|lapsed"
/** `monthly usage limit`, and no rate limit. */
const limitOfPeriod = part`${period}(?:\/\w{1,8})? (?:(?!rate)\w{1,12} ){0,2}${limit}\b`

export const quota = {
  code: {
    id: "code/quota",
    match: {
      code: [
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_error",
        "linked_organization_billing_unavailable",
        /insufficient.?(?:\w{1,12}.?)?(?:quota|balance|credit|fund|point)/i,
        pattern`
          (?:not.?enough|no|low|out.?of|more).?(?:balance|credits?|quota|funds)
          (?:$|.?(?:left|required|needed|error|exception|available|remaining))
        `,
        pattern`
          (?:balance|credits?|funds|resource.?pack).?(?:is.?)?
          (?:exhausted|depleted|insufficient|exceeded|too.?low|used.?up|not.?enough|required|limit|error)
        `,
        /^credits.?error/i,
        pattern`
          (?<!(?:tokens?|requests?|rate|rpm|tpm).?)quota.?(?:is.?)?
          (?:exceeded|exhausted|not.?enough|limit.?reached|used.?up)
        `,
        /exceed\w{0,3}.?(?:your.?)?(?:current.?)?quota/i,
        pattern`
          (?:spend|spending|billing|usage|budget|credit|monthly|weekly|daily|set).?(?:hard.?|soft.?)?(?:limit|cap)
          (?:.?(?:exceeded|reached|error|exception|exhausted))?$
        `,
        /(?:daily|weekly|monthly).?(?:requests?|tokens?|usage).?(?:count|quota)/i,
        /budget.?exceeded|payment.?required|overdue|arrear/i,
        /billing.?(?:error|issue|disabled|not|inactive|required|suspended)/i,
        /free.?(?:tier|trial|quota|credits?).{0,6}(?:only|exceeded|exhausted|expired|ended|used)/i,
        /(?:subscription|plan|trial|package|membership).?(?:has.?)?(?:expired|ended|inactive)/i,
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
        // `Your credit balance is too low.`
        pattern`
          ^(?:sorry,? )?(?:(?:
            your|the|this|api|account|user|team|org\w{0,12}|customer|
            current|available|remaining|prepaid|free|token|you (?:have|are)
          ) ?){0,5}(?:\w{1,16} ){0,2}${money}\b.{0,24}\b${empty}\b
        `,
        // `Insufficient account balance.`
        pattern`
          ^(?:error |sorry,? |you have )?(?:an )?
          (?:insufficient|not enough|no(?:t sufficient)?|out of|low) (?:\w{1,12} ){0,4}?${money}\b
        `,
        // `You have reached your monthly limit.`
        pattern`
          ^(?:you|your|this|the|sorry,? you) ?(?:\S{1,24} ){0,5}?(?:${used}|depleted) (?:\S{1,16} ){0,6}?(?:
            (?:credits?|balance|funds|neurons|spend(?:ing)?|budget|prepaid|included)\b|
            ${period} (?:\w{1,12} ){0,2}${limit}|
            (?:usage|spend(?:ing)?|free(?: tier| trial)?|trial) (?:limits?|quota|cap|allowance|allocation)
          )
        `,
        pattern`^(?:your |the |this )?${limitOfPeriod}`,
        // `This account does not have enough credits.`
        pattern`
          ^(?:your|this|the) (?:\w{1,16} ){0,4}(?:does|do)(?:n't| not) have (?:any |enough |sufficient )?
          (?:\w{1,12} ){0,2}${money}\b
        `,
        // `Access denied: your account is overdue.`
        pattern`
          ^(?:access denied|request (?:denied|rejected)|denied|operation is denied)\b.{0,60}
          \b(?:overdue|arrears|unpaid|balance|billing|payment|good stand(?:ing))\b
        `,
        // `Your account has unpaid invoices.`
        pattern`
          ^(?:your |the |this )?(?:\w{1,16} ){0,2}
          (?:account|subscription|plan|package|team|org\w{0,12}|project|workspace|service)\b.{0,80}\b(?:
            overdue|arrears|unpaid|past[- ]due|spend(?:ing)? (?:limit|cap)|invoices?|insufficient balance|
            negative balance|billing (?:is )?(?:disabled|not (?:active|enabled)|issue)|recharge|top[- ]?up|
            (?:package|subscription|plan|trial) (?:has |have |is )?(?:been )?(?:${ended})
          )
        `,
        // `Your subscription has expired.`
        pattern`
          ^(?:your |the |this )?(?:\w{1,16} ){0,4}
          (?:package|subscription|plan|trial|membership|free (?:tier|trial|quota))\b.{0,40}
          \b(?:has |have |is )(?:been )?(?:${ended}|exhausted|used up|over)\b
        `,
        // `Please recharge.`
        pattern`
          ^(?:
            payment (?:is )?required|this request requires more credits|billing (?:hard|soft) limit|
            please (?:add|purchase|buy|recharge|top[- ]?up)|
            you (?:need|must) (?:to )?(?:add|purchase|buy|recharge|top[- ]?up|enable billing)
          )\b
        `,
        // `Key limit exceeded.`
        pattern`
          ^(?:key|account|api key|team|project|user|organization|total|credit|budget|spend(?:ing)?|usage)
          (?: spend(?:ing)?| usage| budget| total)? limit (?:has been |was )?(?:exceeded|reached|exhausted)
        `,
        pattern`
          ^(?:您的|你的|当前|该|用户|账[户号])?.{0,12}
          (?:余额不足|(?:额度|配额|资源包|积分|点数)(?:不足|已?(?:用[尽完]|耗尽))|欠费|套餐.{0,6}(?:到期|过期|用完))
        `
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
        pattern`
          \b(?:insufficient|not enough|lacks?|without|(?:do|does)(?:n't| not) have (?:any |enough |sufficient )?) ?
          (?:\w{1,12} ){0,4}?${money}\b
        `,
        pattern`\b${money}\b.{0,30}\b${empty}\b`,
        pattern`
          \b(?:${used}|no (?:more|remaining|available))\b.{0,40}\b(?:
            credits?|funds|neurons|balance|(?:spend|spending|budget|billing) (?:limit|cap)|spending|budget|prepaid|
            ${period} (?:\w{1,12} ){0,3}(?:${limit}|balance)|
            usage (?:limits?|quota|cap)|free (?:tier|trial|quota|allocation|allowance)|inference limit
          )
        `,
        pattern`\b${limitOfPeriod}`,
        pattern`
          \b(?:key|account|plan|total|credit|budget|spend(?:ing)?|billing) (?:hard |soft )?(?:limit|cap)
          (?: has been| was)? (?:exceeded|reached|exhausted|hit)
        `,
        pattern`
          \b(?:purchase|buy|add|refill|requires? more|can only afford)\b.{0,24}\b(?:credits?|balance|funds|\d)|
          \b(?:top[- ]?up|recharge)\b
        `,
        pattern`
          \b(?:
            payment (?:is )?required|past[- ]due|overdue|unpaid|arrears|past invoices|
            outstanding (?:balance|invoice)|good stand(?:ing)
          )\b
        `,
        // A payment method that would only make a rate higher is no matter of money.
        /(?<!\brate limit.{0,80})\badd a payment method\b(?!.{0,60}\brate limit)/i,
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
