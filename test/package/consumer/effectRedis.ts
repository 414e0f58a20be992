import { Effect, Layer } from "effect"
import { CircuitBreaker } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"
import { Redis } from "effect/persistence"

const down = Effect.fail(new Redis.RedisError({ cause: "down" }))
const Client = Layer.effect(Redis.Redis, Redis.make({ send: () => down, subscribe: () => down, connect: down }))
const Store = RedisCircuitStore.layerRedis({ connectTimeout: "100 millis" }).pipe(Layer.provide(Client))

const program = Effect.succeed("called without ioredis").pipe(
  CircuitBreaker.execute({ key: "model" }),
  Effect.provide(CircuitBreaker.layer().pipe(Layer.provide(Store)))
)

console.log(await Effect.runPromise(program))
