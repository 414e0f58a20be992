/** A process with a failover router of its own. It obeys the test that forked it, and ends with it. */
import { Effect, Layer, ManagedRuntime } from "effect"
import { CircuitBreaker, FailoverRoute, FailoverRouter, TripPolicy } from "../../src/index.ts"
import { RedisCircuitStore } from "../../src/redis/index.ts"
import type { FailoverOrder, Told } from "./failoverProtocol.ts"

let down: ReadonlySet<string> = new Set()
let asked: Array<string> = []

const join = (url: string, prefix: string) =>
  ManagedRuntime.make(
    FailoverRouter.layer({
      routes: [FailoverRoute.make("chat", { targets: ["us", "eu", "asia"], minFailoverDuration: "600 millis" })]
    }).pipe(
      Layer.provide(CircuitBreaker.layer({ tripPolicy: TripPolicy.consecutive(2), openDuration: "400 millis" })),
      Layer.provide(RedisCircuitStore.layer({ url, prefix, operationTimeout: "5 seconds" }))
    )
  )

let runtime: ReturnType<typeof join> | undefined

const call = FailoverRouter.execute("chat", ({ name }) =>
  Effect.suspend(() => {
    asked.push(name)
    return down.has(name) ? Effect.fail({ status: 503 }) : Effect.succeed(name)
  }))

const look = Effect.gen(function*(): Effect.gen.Return<Told, unknown, FailoverRouter.FailoverRouter> {
  const active = yield* FailoverRouter.activeTarget("chat")
  return { active: active.name, isFailedOver: yield* FailoverRouter.isFailedOver("chat"), served: [], asked: [] }
})

const obey = async (order: FailoverOrder): Promise<Told | null> => {
  if (order.do === "join") {
    await runtime?.dispose()
    runtime = join(order.url, order.prefix)
    await runtime.runPromise(look)
    return null
  }
  if (runtime === undefined) throw new Error(`${order.do} before join`)
  if (order.do === "look") return runtime.runPromise(look)
  down = new Set(order.down)
  asked = []
  const served = await runtime.runPromise(
    Effect.forEach(Array.from({ length: order.calls }), () => Effect.orElseSucceed(call, () => "nobody"))
  )
  return { ...await runtime.runPromise(look), served, asked }
}

process.on("message", ({ id, order }: { readonly id: number; readonly order: FailoverOrder }) => {
  void obey(order).then((answer) => process.send!({ id, answer }))
})
process.on("disconnect", () => process.exit())
