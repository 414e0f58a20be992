/** The actors who may steer circuits, by digests of their tokens. The tokens themselves are not kept. */
import { Effect, Redacted } from "effect"
import { InvalidOptions } from "../../CircuitPolicy.ts"

const maxActorLength = 100

/** Finds the actor of an `Authorization` header. */
export type ActorOf = (authorization: string | undefined) => Effect.Effect<string | undefined>

/** Undefined without operators. Dies with `InvalidOptions`, whose message shows no token. */
export const make = Effect.fnUntraced(function*(operators: Record<string, Redacted.Redacted<string>>) {
  const seen = new Set<string>()
  const actors: Array<{ readonly actor: string; readonly digest: Uint8Array }> = []
  for (const [actor, redacted] of Object.entries(operators)) {
    if (actor.trim() === "" || actor.length > maxActorLength) {
      return yield* invalid("operators", actor, `labelled with 1 to ${maxActorLength} characters`)
    }
    const token = Redacted.isRedacted(redacted) ? Redacted.value(redacted) : undefined
    if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
      return yield* invalid(`operators.${actor}`, "redacted", "a token of visible ASCII characters that is not empty")
    }
    if (seen.has(token)) return yield* invalid(`operators.${actor}`, "redacted", "a token that no other actor has")
    seen.add(token)
    actors.push({ actor, digest: yield* sha256(token) })
  }
  if (actors.length === 0) return undefined
  const actorOf: ActorOf = Effect.fnUntraced(function*(authorization) {
    const token = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1]
    if (token === undefined) return undefined
    const presented = yield* sha256(token)
    let found: string | undefined
    // Compares with all digests, each to its end, because the time it takes must not depend on the token.
    for (const { actor, digest } of actors) {
      if (equals(presented, digest)) found = actor
    }
    return found
  })
  return actorOf
})

const invalid = (field: string, value: string, rule: string) => Effect.die(new InvalidOptions({ field, value, rule }))

/** The SHA-256 digest of a text in UTF-8. */
export const sha256 = (text: string): Effect.Effect<Uint8Array> =>
  Effect.map(
    Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))),
    (digest) => new Uint8Array(digest)
  )

const equals = (one: Uint8Array, other: Uint8Array): boolean => {
  let difference = 0
  for (let index = 0; index < one.length; index++) difference |= one[index]! ^ other[index]!
  return difference === 0
}
