/** An answer that a client or a proxy has written into a text. */
import { json, property } from "../untrusted/values.ts"
import { longestText, type Words } from "./words.ts"

/**
 * The answer in a text: the text itself, or what follows the labels of a client that names a status, an exception or
 * where it is from. Whatever else stands in a text can be the caller's.
 */
export const embedded = (text: string, { codes, status, whole }: Words): object | undefined => {
  if (text.length > longestText) return undefined
  const isWhole = /^\s{0,64}[{[]/.test(text)
  const start = isWhole ? 0 : whole.search(/[{[]/)
  if (start < 0 || start > 4) return undefined
  if (!isWhole && codes.length === 0 && status === undefined && !origin.test(text)) return undefined
  const written = (isWhole ? text : whole.slice(start)).replace(/['"]\s*$/, "")
  const answer = json(written) ?? json(fromPython(written))
  const found = property(answer, "0") ?? answer
  return (isWhole ? ["error"] : answers).some((key) => property(found, key) !== undefined)
    ? answer as object
    : undefined
}

const origin = /^(?:got status|error from|(?:upstream|provider|backend|api) error|provider returned)/i

const answers = ["error", "message", "detail", "code", "type"]

const longestLiteral = 8192

/** A dictionary as Python writes it, as JSON. */
const fromPython = (text: string): string =>
  text.length > longestLiteral
    ? ""
    : text.replace(
      /"(?:[^"\\]|\\.)*"|'((?:[^'\\]|\\.)*)'|\b(?:None|True|False)\b/g,
      (written, quoted: string | undefined) =>
        quoted !== undefined ? JSON.stringify(quoted.replaceAll("\\'", "'")) : words[written] ?? written
    )

const words: Readonly<Record<string, string>> = { None: "null", True: "true", False: "false" }
