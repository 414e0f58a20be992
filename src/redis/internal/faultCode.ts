/** Why an operation of a Redis client failed, as the code of a `StoreFault`. */
import { property } from "../../internal/untrusted/values.ts"
import { StoreFault } from "../../RecordStore.ts"

/**
 * The first word of the server's error, `CONNECTION` for any other error. Every error of a server begins with a word in
 * capitals, and no error that a client makes does: unlike class names, that survives a bundler. The rest of the message
 * is not read, because it may quote a caller's arguments.
 */
export const faultCode = (error: unknown): string => {
  let at = error
  for (let depth = 0; depth < maxDepth && at !== undefined; depth++) {
    const message = property(at, "message")
    const word = typeof message === "string" ? /^[A-Z][A-Z0-9_]+(?= |$)/.exec(message)?.[0] : undefined
    if (word !== undefined) return word
    at = property(at, "cause")
  }
  return "CONNECTION"
}

export const fault = (error: unknown): StoreFault => {
  const code = faultCode(error)
  return new StoreFault({ code, ofRecord: code === "WRONGTYPE" })
}

// Effect's `RedisError` wraps what its client failed with, and that may wrap another error.
const maxDepth = 5
