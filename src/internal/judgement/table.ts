/** The judgement of LLM calls as data: from signals to kind and outcome. */
import { account } from "./account.ts"
import { answers } from "./answers.ts"
import { clients } from "./clients.ts"
import { content } from "./content.ts"
import { context } from "./context.ts"
import { guard } from "./guard.ts"
import { network } from "./network.ts"
import { overload } from "./overload.ts"
import { quota } from "./quota.ts"
import { request } from "./request.ts"
import { type Row } from "./row.ts"
import { server } from "./server.ts"
import { throttle } from "./throttle.ts"

/** The row of last resort: who guards a call expects its errors to count. */
export const unrecognised = {
  id: "unrecognised",
  match: {},
  kind: "unknown",
  outcome: "Failure"
} as const satisfies Row

/**
 * Looked through from the top, the first row that matches decides: a provider's specific code before its words, its
 * words before the status, the status before a general code, that before the network and the tags of errors, and last
 * what is left. Where words of two kinds can stand beside each other, who is refused comes before what is refused.
 */
export const table = [
  ...guard,
  clients.ownCode,
  clients.output,

  content.code,
  content.number,
  context.code,
  context.number,
  context.tooLarge,
  quota.code,
  quota.number,
  quota.said,
  account.message,
  content.message,
  quota.message,
  quota.denied,
  quota.none,
  throttle.daily,
  overload.code,
  overload.number,
  throttle.code,
  throttle.number,
  server.timeout,
  server.cut,
  account.code,
  account.number,
  request.unsupported,
  context.message,
  context.manyTokens,
  server.client,
  overload.message,
  overload.said,
  throttle.message,
  server.upstream,

  request.model,
  content.status,
  quota.status,
  account.status,
  server.status408,
  context.status,
  server.status424,
  throttle.status,
  overload.groq,
  // What nginx notes when its caller went away.
  { id: "status/499", match: { status: [499] }, kind: "cancelled", outcome: "Ignored" },
  overload.status,
  server.status,
  request.notFound,
  request.status,

  answers.unknownModel,
  clients.notJson,
  server.code,
  request.code,

  clients.request,
  clients.mistake,
  network.reset,
  network.timeout,
  network.timeoutMessage,
  clients.cancelled,
  clients.cancelledMessage,
  network.cut,
  network.cutNode,
  network.cutClient,
  network.connection,
  network.fetchFailed,
  answers.failed,
  network.malformed,
  network.notJson,
  clients.unreadable,
  answers.model,
  network.wrongShape,
  request.message,
  answers.unknown,

  { id: "interruption", match: { origin: ["interruption"] }, kind: "cancelled", outcome: "Ignored" },
  // Only looked at because it resembles a failure.
  { id: "value", match: { origin: ["value"] }, kind: "unknown", outcome: "Success" },
  { id: "defect", match: { origin: ["defect"] }, kind: "caller_error", outcome: "Ignored" },
  unrecognised
] as const satisfies ReadonlyArray<Row>
