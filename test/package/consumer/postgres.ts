import { Effect, Layer } from "effect"
import { CircuitBreaker } from "effect-resilience"
import { PostgresCircuitStore } from "effect-resilience/postgres"

// Nothing listens on that port, and the call goes through all the same.
const Store = PostgresCircuitStore.layer({ url: "postgres://127.0.0.1:1/app", connectTimeout: "100 millis" })

const program = Effect.succeed("called without PostgreSQL").pipe(
  CircuitBreaker.execute({ key: "model" }),
  Effect.provide(CircuitBreaker.layer().pipe(Layer.provide(Store)))
)

console.log(await Effect.runPromise(program))
