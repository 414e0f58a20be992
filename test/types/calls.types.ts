// The calls that the tests of types guard: what they give, how they fail, what they need.
import { Context, Data, type Effect, type Stream } from "effect"

export interface Answer {
  readonly text: string
}

export class ProviderFailed extends Data.TaggedError("ProviderFailed")<{ readonly status: number }> {}

export class Asker extends Context.Service<Asker, { readonly name: string }>()("test/types/Asker") {}

export type Ask = Effect.Effect<Answer, ProviderFailed, Asker>
export type Tell = Stream.Stream<Answer, ProviderFailed, Asker>
