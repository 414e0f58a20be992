/** The real authority, in the time of the walk: its operations take as long as the walk lets them. */
import { Clock, Effect, type Fiber } from "effect"
import type { CircuitEvent } from "effect-resilience"
import { Authority, type Settings } from "../../../src/redis/internal/authority.ts"
import type { RedisFault, RedisPort } from "../../../src/redis/internal/port.ts"
import { handClock } from "../../support/handClock.ts"

/** An operation on its way to the server. */
export interface Request {
  readonly args: ReadonlyArray<string>
  readonly answer: (answer: Effect.Effect<unknown, RedisFault>) => void
}

/** Whose authority it is at the moment. */
export interface Holder {
  readonly now: number
  readonly send: (request: Request) => void
  readonly hear: (event: CircuitEvent.CircuitEvent) => void
}

/** A reliable authority remembers nothing of who had it before, and takes long to make. */
export class HandAuthority extends Authority {
  holder: Holder | undefined
  override readonly clock: Clock.Clock
  override readonly owner: string
  readonly handPort: RedisPort

  constructor(settings: Settings, owner: string) {
    const clock = handClock(() => this.holder!.now)
    const port: RedisPort = {
      keyPrefix: "",
      run: (_script, _key, args) => Effect.callback((answer) => this.holder!.send({ args, answer })),
      subscribe: () => Effect.never
    }
    super(
      port,
      settings,
      <A, E>(self: Effect.Effect<A, E>): Fiber.Fiber<A, E> =>
        Effect.runFork(Effect.provideService(self, Clock.Clock, clock))
    )
    this.clock = clock
    this.owner = owner
    this.handPort = port
    this.hub.add({ name: "walk", onEvent: (event) => this.holder!.hear(event) })
    this.recover()
    this.subscriptionWorks()
  }

  override within<A>(_operation: string, self: Effect.Effect<A, RedisFault>): Effect.Effect<A, RedisFault> {
    return self
  }
}
