// TS2353: Object literal may only specify known properties, and 'chat' does not exist in type 'readonly FailoverRoute<
import { FailoverRouter } from "effect-resilience"

export const Router = FailoverRouter.layer({ routes: { chat: ["us", "eu"] } })
