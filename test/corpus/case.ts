/** The cases of the corpus: what a provider sent, and what an operator would call right. */
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** What a circuit is to hear of a call. What is not given may be anything. */
export interface Verdict {
  readonly outcome: "Success" | "Failure" | "Ignored" | "OpenNow" | "Throttled"
  readonly kind?: string
  readonly retryAfterMs?: number
}

/** One line of `cases`. README.md says what each field means. */
export interface Case {
  readonly id: string
  readonly source: string
  readonly provider: string
  readonly meaning: string
  readonly form: "http" | "answer" | "sse"
  readonly status: number
  readonly headers?: Readonly<Record<string, string | number | ReadonlyArray<string>>>
  readonly body: unknown
  readonly expected: Verdict & { readonly alternatives?: ReadonlyArray<Verdict> }
  readonly why: string
  readonly reader?: "openAi" | "anthropic" | "gemini"
  readonly limits?: { readonly firstContent?: number; readonly idle?: number }
  readonly gateway?: { readonly served: "us" | "eu"; readonly counted: boolean }
}

const folder = fileURLToPath(new URL("cases", import.meta.url))

/** All there are, in the order of the files. */
export const cases: ReadonlyArray<Case> = readdirSync(folder).sort().flatMap((file) =>
  readFileSync(`${folder}/${file}`, "utf8").split("\n").filter((line) => line !== "").map((line): Case => {
    try {
      return JSON.parse(line)
    } catch (cause) {
      throw new Error(`${file} has a line that is no JSON: ${line.slice(0, 60)}`, { cause })
    }
  })
)

/** Verdicts of which one has to come. */
export const wantedOf = ({ expected: { alternatives = [], ...first } }: Case): ReadonlyArray<Verdict> => [
  first,
  ...alternatives
]

const forms: Readonly<Record<string, (seconds: number) => string>> = {
  epoch: (seconds) => String(Math.ceil(Date.now() / 1000 + seconds)),
  epochms: (seconds) => String(Date.now() + seconds * 1000),
  iso: (seconds) => new Date(Date.now() + seconds * 1000).toISOString(),
  http: (seconds) => new Date(Date.now() + seconds * 1000).toUTCString(),
  cst: (seconds) => new Date(Date.now() + (seconds + 8 * 3600) * 1000).toISOString().slice(0, 19).replace("T", " ")
}

/** A text with moments and repeats in place of what stands for them. */
export const written = (text: string): string =>
  text
    .replace(/\{\{(epoch|epochms|iso|http|cst)\+(\d+)\}\}/g, (_, form: string, seconds: string) =>
      forms[form]!(Number(seconds)))
    .replace(/\{\{(.)\*(\d+)\}\}/g, (_, character: string, times: string) =>
      character.repeat(Number(times)))
