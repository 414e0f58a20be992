// TS2769: priority
import { FailoverRoute } from "effect-resilience"

export const chat = FailoverRoute.make("chat", { targets: ["us", { name: "eu", priority: 2 }] })
