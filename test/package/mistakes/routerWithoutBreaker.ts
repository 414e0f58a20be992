// TS2379: Argument of type 'Effect<string, FailoverError, CircuitBreaker>' is not assignable
import { Effect } from "effect"
import { FailoverRoute, FailoverRouter } from "effect-resilience"

const chat = FailoverRoute.make("chat", { targets: ["us", "eu"] })
const call = FailoverRouter.execute(chat, ({ name }) => Effect.succeed(name))

void Effect.runPromise(Effect.provide(call, FailoverRouter.layer({ routes: [chat] })))
