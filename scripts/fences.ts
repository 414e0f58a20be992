/** The code fences of documents and of doc comments. */
import { read } from "../test/documents/documents.ts"

export interface Fence {
  /** Where it stands: the path from the root. */
  readonly document: string
  /** The line of its first line of code, from 1. */
  readonly line: number
  /** What its opening says, which may be nothing. */
  readonly language: string
  readonly code: string
}

export const fencesOf = (document: string): ReadonlyArray<Fence> => {
  const lines = read(document).split("\n")
  const opening = document.endsWith(".ts") ? /^( *\* )```(.*)$/ : /^( *)```(.*)$/
  const fences: Array<Fence> = []
  for (let begin = 1; begin < lines.length; begin++) {
    const [, prefix, language] = opening.exec(lines[begin - 1]!) ?? []
    if (prefix === undefined || language === undefined) continue
    const end = lines.indexOf(`${prefix}\`\`\``, begin)
    if (end === -1) throw new Error(`${document}:${begin}: a fence without an end`)
    const code = lines.slice(begin, end).map((line) => `${line.slice(prefix.length)}\n`).join("")
    fences.push({ document, line: begin + 1, language, code })
    begin = end + 1
  }
  return fences
}
