// TS2551: Property 'complet' does not exist on type '{ complete: (prompt: string) =>
import { Effect } from "effect"
import { FailoverRoute, FailoverRouter } from "effect-resilience"

const chat = FailoverRoute.make("chat", {
  targets: ["us", "eu"],
  payload: ({ name }) => ({ complete: (prompt: string) => Effect.succeed(`${prompt} from ${name}`) })
})

export const call = FailoverRouter.execute(chat, (target) => target.payload.complet("hello"))
