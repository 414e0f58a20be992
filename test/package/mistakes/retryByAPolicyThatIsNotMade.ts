// TS2322: Type 'Schedule<number, unknown, never, never>' is not assignable to type '(target: Target<
import { FailoverRoute, FailoverRouter, LlmRetry } from "effect-resilience"

const chat = FailoverRoute.make("chat", { targets: ["us", "eu"] })

export const Router = FailoverRouter.layer({ routes: [chat], retry: LlmRetry.policy({ attempts: 2 }) })
