/** A fleet at work: one key, one provider, one Redis, and everything that is said between them. */
import { Effect, type Scope } from "effect"
import type { RedisServer } from "../support/redis/RedisServer.ts"
import type { Fleet, Member } from "./Fleet.ts"
import type { Order, Recording, Setup, View } from "./protocol.ts"
import * as Provider from "./Provider.ts"
import { listen, type Published } from "./published.ts"

/**
 * - `published`: what the script has published so far.
 * - `members`: the processes that joined, and `all` orders every one of them that lives.
 * - `load`: starts so many callers in each.
 * - `leave`: stops all callers and gives what each process has recorded, in the order of the fleet.
 */
export interface Deployment {
  readonly provider: Provider.Provider
  readonly published: ReadonlyArray<Published>
  readonly recordKey: string
  readonly members: Fleet
  readonly all: <O extends Order>(order: O) => ReturnType<typeof ordered<O>>
  readonly load: (callers: number, thinkMillis: number) => Effect.Effect<void>
  readonly look: Effect.Effect<ReadonlyArray<View>>
  readonly leave: Effect.Effect<ReadonlyArray<Recording>>
}

let deployments = 0

/** Every process joins, with the same settings. They live on when the scope closes, and can be deployed again. */
export const deploy = (
  { fleet, redis }: { readonly fleet: Fleet; readonly redis: RedisServer },
  { policy, store = {} }: { readonly policy: Setup["policy"]; readonly store?: Setup["store"] }
): Effect.Effect<Deployment, never, Scope.Scope> =>
  Effect.gen(function*() {
    const provider = yield* Provider.make
    const prefix = `fleet-${++deployments}`
    const key = "model"
    const published = yield* listen(redis.port, prefix)
    const setup: Setup = { url: redis.url, prefix, key, policy, store, providerPort: provider.port }
    const members = fleet.filter((member) => member.isAlive())
    const all = <O extends Order>(order: O) => ordered(members.filter((member) => member.isAlive()), order)
    yield* Effect.forEach(members, (member) => member.order({ do: "join", setup, process: member.number }), {
      concurrency: "unbounded"
    })
    return {
      provider,
      published,
      recordKey: `${prefix}:records:{${key}}`,
      members,
      all,
      load: (callers, thinkMillis) => Effect.asVoid(all({ do: "start", callers, thinkMillis })),
      look: Effect.suspend(() => all({ do: "look" })),
      // What the last calls led to has come everywhere before anybody leaves.
      leave: Effect.suspend(() => all({ do: "rest" })).pipe(
        Effect.andThen(Effect.sleep("100 millis")),
        Effect.andThen(Effect.suspend(() => all({ do: "leave" })))
      )
    }
  })

const ordered = <O extends Order>(fleet: Fleet, order: O) =>
  Effect.forEach(fleet, (member: Member) => member.order(order), { concurrency: "unbounded" })
