/** An answer within a text: what a client or a proxy has written into it, an event, a document of XML. */
import { json, property } from "../untrusted/values.ts"
import { isPage, longestText, type Words } from "./words.ts"

/**
 * The answer in a text: the text itself, or what follows the labels of a client that names a status, an exception or
 * where it is from. Whatever else stands in a text can be the caller's.
 */
export const embedded = (text: string, { codes, status, whole }: Words): object | undefined => {
  if (text.length > longestText) return undefined
  if (isPage(text)) return fromXml(text)
  const event = /^(?:id|event|data|retry)?:/.test(text) ? /^data: ?(\{.*)/m.exec(text)?.[1] : undefined
  if (event !== undefined) return json(event) as object | undefined
  const isWhole = /^\s{0,64}[{[]/.test(text)
  const start = isWhole ? 0 : whole.search(/[{[]/)
  if (start < 0 || start > 4) return undefined
  if (!isWhole && codes.length === 0 && status === undefined && !origin.test(text)) return undefined
  const written = (isWhole ? text : whole.slice(start)).replace(/['"]\s*$/, "")
  const answer = json(written) ?? json(fromPython(written))
  const found = property(answer, "0") ?? answer
  return (isWhole ? wholes : answers).some((key) => property(found, key) !== undefined)
    ? answer as object
    : undefined
}

const origin = /^(?:got status|error from|(?:upstream|provider|backend|api) error|provider returned)/i

const answers = ["error", "message", "detail", "code", "type"]
/** Of a text that is nothing but JSON, which can be the caller's. */
const wholes = ["error", "external_model_error"]

/** What a gateway says in XML. A page of HTML is for people, and says nothing. */
const fromXml = (text: string): object | undefined => {
  if (!/^\s{0,64}<(?:\?xml|\w{0,32}(?:Error|Response|Fault)\b)/.test(text)) return undefined
  const element = (name: string) => new RegExp(`<${name}>([^<]{1,4096})</${name}>`).exec(text)?.[1]
  return { Code: element("Code"), Message: element("Message") }
}

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
