/** The script on a server of the test's own, asked without anything of the library in between. */
import { Effect, Exit, Scope } from "effect"
import type { ChainableCommander, Redis } from "ioredis"
import { afterAll } from "vitest"
import type { CompiledPolicy } from "../../../src/internal/options/compiledPolicy.ts"
import type { Operation } from "../../../src/redis/internal/luaOperations.ts"
import { wirePolicy } from "../../../src/redis/internal/wirePolicy.ts"
import { connectTo } from "../../support/redis/connectTo.ts"
import { sharedServer } from "../../support/redis/sharedServer.ts"

/** Who asks, when, and what he knows. Without a time it is that of the server, as in production. */
export interface Asking {
  readonly policy: CompiledPolicy
  readonly now?: number | undefined
  readonly known?: number | undefined
  readonly idleMillis?: number | undefined
  readonly owner?: string | undefined
  readonly channel?: string | undefined
}

/** All arguments of an operation, in the order of `authority.ts`. */
export const argumentsOf = (
  operation: Operation,
  args: ReadonlyArray<string | number>,
  { channel = "twin:transitions", idleMillis = 1000, known = 0, now, owner = "twin", policy }: Asking
): ReadonlyArray<string> =>
  [operation, now ?? "", known, "id", channel, idleMillis, wirePolicy(policy), owner, ...args].map(String)

export class Script {
  readonly redis: Redis
  private readonly sha1: string
  private keys = 0

  constructor(redis: Redis, sha1: string) {
    this.redis = redis
    this.sha1 = sha1
  }

  static async load(redis: Redis, lua: string): Promise<Script> {
    return new Script(redis, String(await redis.script("LOAD", lua)))
  }

  /** A key that nobody else uses. */
  key(): string {
    return `${this.sha1}:${++this.keys}`
  }

  queue(pipeline: ChainableCommander, key: string, args: ReadonlyArray<string>): void {
    pipeline.evalsha(this.sha1, 1, key, ...args)
  }

  run(key: string, args: ReadonlyArray<string>, redis = this.redis): Promise<unknown> {
    return redis.evalsha(this.sha1, 1, key, ...args)
  }
}

/** A client of a server for the tests of this file. */
export const ownRedis = async (): Promise<Redis> => {
  const { port } = await sharedServer()
  const scope = Scope.makeUnsafe()
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  return Effect.runPromise(Scope.provide(connectTo({ port }), scope))
}
