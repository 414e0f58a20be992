// An error as callers of OpenAI's API know it.

export interface OpenAiError {
  readonly message: string
  readonly type: string
  readonly code: string | number | null
  /** Who was asked, and what became of it. */
  readonly attempts?: ReadonlyArray<{ readonly target: string; readonly cause: string }>
}

/** The error in the body of a target, as far as it has the form. */
export const fromBody = (body: unknown, status?: number): OpenAiError => {
  const error = field(body, "error") ?? body
  const [message, type, code] = [field(error, "message"), field(error, "type"), field(error, "code")]
  return {
    message: [message, ...texts.map((name) => field(body, name)), field(field(body, "base_resp"), "status_msg")]
      .find(isText) ??
      `the target answered with ${status === undefined ? "an error" : `a status of ${status}`}`,
    type: isText(type) ? type : "upstream_error",
    code: isText(code) || typeof code === "number" ? code : null
  }
}

const texts = ["message", "detail", "error", "error_msg", "msg"]

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined

const isText = (value: unknown): value is string => typeof value === "string" && value !== ""
