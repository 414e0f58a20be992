/** What happens in the incident, phase by phase. */
import { Effect, Fiber, type Scope } from "effect"
import { CircuitBreaker } from "effect-resilience"
import type { RedisServer } from "../support/redis/RedisServer.ts"
import { ask, askAny, claude, command, gemini, gpt, type Instance, mistral, read } from "./Instance.ts"
import * as Provider from "./Provider.ts"

export type Phase =
  | "healthy"
  | "near trip"
  | "outage"
  | "flapping"
  | "held"
  | "store away"
  | "faults"
  | "quiet"

/** Who takes part. */
export interface Cast {
  readonly provider: Provider.Provider
  readonly redis: RedisServer
  readonly instances: readonly [Instance, Instance]
}

const everywhere = ({ instances }: Cast, each: (instance: Instance) => Effect.Effect<unknown, unknown>) =>
  Effect.forEach(instances, (instance) => Effect.ignore(each(instance)), { concurrency: "unbounded", discard: true })

/** What users do all the time: calls of the route, of single models, and streams. */
export const traffic = (cast: Cast): Effect.Effect<void, never, Scope.Scope> => {
  const { url } = cast.provider
  const steady = (millis: number, each: (instance: Instance) => Effect.Effect<unknown, unknown>) =>
    everywhere(
      cast,
      (instance) => Effect.ignore(each(instance)).pipe(Effect.andThen(Effect.sleep(millis)), Effect.forever)
    ).pipe(Effect.forkScoped)
  return Effect.gen(function*() {
    yield* steady(60, ({ run }) => run(askAny(url)))
    yield* steady(150, ({ run }) => run(read(url, gpt)))
    for (const model of [claude, mistral, gemini]) yield* steady(60, ({ run }) => run(ask(url, model)))
  })
}

/** The phases, in order. `command` is called by them only. */
export const script = (cast: Cast): Readonly<Record<Phase, Effect.Effect<unknown, unknown, Scope.Scope>>> => {
  const { instances: [first, second], provider, redis } = cast
  const { behave, url } = provider
  const once = (model: string) => everywhere(cast, ({ run }) => run(ask(url, model)))
  const again = (model: string, times: number, millis: number) =>
    once(model).pipe(Effect.andThen(Effect.sleep(millis)), Effect.repeat({ times: times - 1 }))
  const until = (model: string, state: string) =>
    first.run(CircuitBreaker.state(model)).pipe(
      Effect.delay("20 millis"),
      Effect.repeat({ until: ({ _tag }) => _tag === state })
    )
  const operator = { reason: "the provider announced maintenance", actor: "on-call" }

  const abandoned = Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.ignore(second.run(ask(url, command))))
    yield* Effect.sleep("100 millis")
    yield* Fiber.interrupt(fiber)
  })

  const throttling = Effect.gen(function*() {
    yield* behave(claude, Provider.busy)
    yield* Effect.sleep("2500 millis")
    yield* behave(claude, Provider.healthy)
  })

  const flapping = Effect.gen(function*() {
    for (let openings = 0; openings < 5; openings++) {
      yield* behave(mistral, Provider.unavailable)
      yield* until(mistral, "Open")
      yield* behave(mistral, Provider.healthy)
      yield* until(mistral, "Closed")
      yield* Effect.sleep("1 second")
    }
  })

  return {
    healthy: again(command, 4, 2000),

    "near trip": Effect.gen(function*() {
      yield* behave(mistral, Provider.ailing)
      for (const behaviour of [Provider.unavailable, Provider.unreachable, Provider.overloaded, Provider.breaking]) {
        yield* behave(command, behaviour)
        yield* Effect.ignore(first.run(behaviour === Provider.breaking ? read(url, command) : ask(url, command)))
        yield* Effect.sleep("1500 millis")
      }
      yield* behave(mistral, Provider.healthy)
      yield* behave(command, Provider.refusing)
      yield* once(command)
      yield* behave(command, Provider.slow)
      yield* abandoned
      yield* behave(command, Provider.healthy)
      yield* once(command)
    }),

    outage: Effect.gen(function*() {
      // Asked before the circuit opens, answered after.
      yield* behave(gpt, Provider.slow)
      yield* Effect.forkScoped(once(gpt))
      yield* Effect.sleep("50 millis")
      yield* behave(gpt, Provider.broken)
      yield* Effect.sleep("6 seconds")
      yield* behave(claude, Provider.unavailable)
      yield* Effect.sleep("5 seconds")
      yield* behave(claude, Provider.healthy)
      yield* until(claude, "Closed")
      // The probe is slow, and turns the others away.
      yield* behave(gpt, Provider.slow)
      yield* until(gpt, "Closed")
      yield* behave(gpt, Provider.healthy)
      yield* Effect.sleep("1 second")
    }),

    flapping: Effect.all([flapping, throttling], { concurrency: "unbounded" }),

    held: Effect.gen(function*() {
      yield* first.run(CircuitBreaker.forceOpen(gemini, operator))
      yield* second.run(CircuitBreaker.disable(command, operator))
      yield* behave(command, Provider.unavailable)
      yield* again(command, 9, 700)
      yield* behave(command, Provider.healthy)
      yield* first.run(CircuitBreaker.reset(gemini, operator))
      yield* second.run(CircuitBreaker.enable(command, operator))
    }),

    "store away": Effect.gen(function*() {
      yield* redis.freeze
      yield* Effect.ensuring(Effect.sleep("6 seconds"), redis.thaw)
      yield* Effect.sleep("2 seconds")
    }),

    faults: Effect.gen(function*() {
      first.faults.observer = true
      second.faults.classifier = true
      yield* behave(command, Provider.unavailable)
      yield* behave(gpt, Provider.expired)
      yield* again(command, 4, 700)
      yield* behave(gpt, Provider.healthy)
      yield* second.crowd
      first.faults.observer = false
      second.faults.classifier = false
      yield* behave(command, Provider.healthy)
      yield* once(command)
    }),

    quiet: Effect.sleep("3 seconds")
  }
}
