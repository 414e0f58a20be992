// TS2739: Type 'Promise<string>' is missing the following properties from type 'Effect<
import { FailoverRouter } from "effect-resilience"

export const call = FailoverRouter.execute("chat", async ({ name }) => name)
