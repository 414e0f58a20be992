/** A process of the fleet whose clocks are all wrong. It obeys the test that forked it, and ends with it. */
import type { Effect as Work } from "effect/Effect"
import type { CircuitPolicy } from "../../src/CircuitPolicy.ts"
import type { RedisCircuitStore } from "../../src/redis/index.ts"

export interface Setup {
  readonly skewMillis: number
  readonly policy: CircuitPolicy
  readonly store: { readonly url: string } & RedisCircuitStore.Options & { readonly requireConnection: false }
}

/** `until admitted` calls until a call is not turned away; `jump` sets the wall clock an hour forward. */
export type Order = "up" | "down" | "until admitted" | "jump" | "what time is it"

export interface Reply {
  readonly result: string
  readonly clocks: readonly [wall: number, monotonic: number, hrtime: number]
}

const { policy, skewMillis, store } = JSON.parse(process.argv[2]!) as Setup
let wallSkew = skewMillis

const { bigint } = process.hrtime
const monotonic = performance.now.bind(performance)
const wall = Date.now
Date.now = () => wall() + wallSkew
performance.now = () => monotonic() + skewMillis
process.hrtime.bigint = () => bigint() + BigInt(skewMillis) * 1_000_000n

// Not before, so that code which keeps a clock keeps a wrong one.
const { Effect, Layer, ManagedRuntime } = await import("effect")
const { CircuitBreaker, TripPolicy } = await import("../../src/index.ts")
const { RedisCircuitStore: Store } = await import("../../src/redis/index.ts")

const runtime = ManagedRuntime.make(
  CircuitBreaker.layer({ ...policy, tripPolicy: TripPolicy.fromData(policy.tripPolicy!) }).pipe(
    Layer.provide(Store.layer(store))
  )
)
const call = <E extends string>(self: Work<string, E>) =>
  self.pipe(
    CircuitBreaker.execute({ key: "key" }),
    Effect.catch((error) => Effect.succeed(typeof error === "string" ? error : error.reason._tag))
  )
const up = call(Effect.succeed("hello"))

const obey = (order: Order) => {
  switch (order) {
    case "up":
      return up
    case "down":
      return call(Effect.fail("503"))
    case "until admitted":
      return Effect.repeat(Effect.delay(up, "1 millis"), { until: (result) => result === "hello" })
    case "jump":
      return Effect.sync(() => {
        wallSkew += 3_600_000
        return "jumped"
      })
    case "what time is it":
      return Effect.succeed("that late")
  }
}

process.on("message", (order: Order) => {
  void runtime.runPromise(obey(order)).then((result) => {
    const clocks = [Date.now(), performance.now(), Number(process.hrtime.bigint() / 1_000_000n)] as const
    process.send!({ result, clocks } satisfies Reply)
  })
})
process.on("disconnect", () => process.exit())
