// What the tests want of a client: to ask once, to read a stream, and to be used wrongly.
import type { Dialect } from "./dialects.ts"

export interface Target {
  readonly url: string
  readonly timeoutMillis?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Client {
  readonly name: string
  readonly dialect: Dialect
  readonly once: (target: Target) => Promise<unknown>
  /** Reads the whole stream, and throws what the client throws or hands out as an error. */
  readonly drain: (target: Target) => Promise<unknown>
  /** Mistakes that throw before anything is sent. */
  readonly mistakes: Readonly<Record<string, (url: string) => Promise<unknown>>>
  /** What is judged otherwise because the client does not show more, by the name of the situation. */
  readonly except?: Readonly<Record<string, string>>
}

/** Reads a stream to its end. */
export const readAll = async (parts: AsyncIterable<unknown>, each: (part: never) => void = () => {}) => {
  for await (const part of parts) each(part as never)
}

const circular: { self?: unknown } = {}
circular.self = circular

/** A value that is no JSON. */
export const circularValue: never = circular as never
