/** A process of a fleet: many callers of one key. It obeys the test that forked it, and ends with it. */
import { Cause, Effect, Exit, Layer, ManagedRuntime } from "effect"
import { CircuitBreaker, CircuitObserver, TripPolicy } from "../../src/index.ts"
import { RedisCircuitStore } from "../../src/redis/index.ts"
import { monotonicMillis } from "./monotonicMillis.ts"
import type { Order, Recording, Setup, Stamped, View } from "./protocol.ts"
import { connectTo } from "./providerClient.ts"

const join = async ({ key, policy, prefix, providerPort, store, url }: Setup, number: number) => {
  const events: Array<Stamped> = []
  const results: Record<string, number> = {}
  const recorder = CircuitObserver.layer({
    name: "recorder",
    onEvent: (event) => {
      if (event.event !== "circuit.skipped") events.push({ at: monotonicMillis(), event })
    }
  })
  const runtime = ManagedRuntime.make(
    recorder.pipe(
      Layer.provideMerge(CircuitBreaker.layer({ ...policy, tripPolicy: TripPolicy.fromData(policy.tripPolicy!) })),
      Layer.provide(RedisCircuitStore.layer({ ...store, url, prefix }))
    )
  )
  const breaker = await runtime.runPromise(CircuitBreaker.CircuitBreaker)
  const provider = connectTo(providerPort, number)

  const view: Effect.Effect<View> = Effect.map(breaker.states, ([state]) => {
    if (state === undefined) throw new Error(`nobody has used ${key} yet`)
    return { _tag: state._tag, generation: state.generation }
  })
  const ask = Effect.flatMap(view, provider.call).pipe(
    breaker.execute({ key }),
    Effect.exit,
    Effect.map((exit) => {
      const result = nameOf(exit)
      results[result] = (results[result] ?? 0) + 1
    })
  )
  const abandoned = new AbortController()
  let resting = false
  let callers: Promise<unknown> = Promise.resolve()
  const caller = (thinkMillis: number, calls: number | undefined) =>
    Effect.gen(function*() {
      for (let call = 0; calls === undefined ? !resting : call < calls; call++) {
        yield* Effect.sleep(thinkMillis * (0.5 + Math.random()))
        yield* ask
      }
    })

  const rest = async () => {
    resting = true
    await callers
  }

  const end = async () => {
    await runtime.dispose()
    provider.close()
  }

  return {
    start: (count: number, thinkMillis: number, calls: number | undefined) => {
      resting = false
      const all = Effect.all(Array.from({ length: count }, () => caller(thinkMillis, calls)), {
        concurrency: "unbounded",
        discard: true
      })
      callers = runtime.runPromise(all, { signal: abandoned.signal })
    },
    rest,
    forceOpen: (millis: number | undefined) =>
      runtime.runPromise(breaker.forceOpen(key, millis === undefined ? {} : { for: millis })),
    reset: () => runtime.runPromise(breaker.reset(key)),
    look: () => runtime.runPromise(view),
    leave: async (): Promise<Recording> => {
      await rest()
      await end()
      return { results, events }
    },
    // What a test that failed has left behind.
    abandon: async () => {
      abandoned.abort()
      await callers.catch(() => {})
      await end()
    }
  }
}

const nameOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "ok"
  const error = Cause.squash(exit.cause)
  const { _tag, reason } = error as { readonly _tag?: string; readonly reason?: { readonly _tag?: string } }
  return reason?._tag ?? _tag ?? String(error)
}

let membership: Awaited<ReturnType<typeof join>> | undefined

const obey = async (order: Order): Promise<unknown> => {
  if (order.do === "join") {
    await membership?.abandon()
    membership = await join(order.setup, order.process)
    return
  }
  if (membership === undefined) throw new Error(`${order.do} before join`)
  switch (order.do) {
    case "start":
      return membership.start(order.callers, order.thinkMillis, order.calls)
    case "rest":
      return membership.rest()
    case "forceOpen":
      return membership.forceOpen(order.millis)
    case "reset":
      return membership.reset()
    case "look":
      return membership.look()
    case "leave": {
      const recording = await membership.leave()
      membership = undefined
      return recording
    }
  }
}

process.on("message", ({ id, order }: { readonly id: number; readonly order: Order }) => {
  void obey(order).then((answer) => process.send!({ id, answer: answer ?? null }))
})
process.on("disconnect", () => process.exit())
