import { Effect, Layer } from "effect"
import { CircuitBreaker } from "effect-resilience"
import { RedisCircuitStore } from "effect-resilience/redis"

// Nothing listens on that port, and the call goes through all the same.
const Store = RedisCircuitStore.layer({ url: "redis://127.0.0.1:1", connectTimeout: "100 millis" })

const program = Effect.succeed("called without Redis").pipe(
  CircuitBreaker.execute({ key: "model" }),
  Effect.provide(CircuitBreaker.layer().pipe(Layer.provide(Store)))
)

console.log(await Effect.runPromise(program))
