// TS2353: Object literal may only specify known properties, and 'requestId' does not exist in type 'Description
import { Evidence } from "effect-resilience"

export const evidence = Evidence.make({ requestId: "7" })
