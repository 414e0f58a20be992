// TS18048: 'target.payload' is possibly 'undefined'.
import { Effect } from "effect"
import { FailoverRoute, FailoverRouter } from "effect-resilience"

const us = { complete: (prompt: string) => Effect.succeed(prompt) }
const chat = FailoverRoute.make("chat", { targets: [{ name: "us", payload: us }, { name: "eu" }] })

export const call = FailoverRouter.execute(chat, (target) => target.payload.complete("hello"))
