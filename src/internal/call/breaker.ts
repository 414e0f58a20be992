/** Makes the breaker service on a store: each of its functions finds the circuit of a key and uses it. */
import { Context, Effect, type Fiber, Queue, Stream } from "effect"
import { dual } from "effect/Function"
import type { CircuitBreaker, ExecuteOptions, Permit, StreamOptions } from "../../CircuitBreaker.ts"
import type { CircuitBreakerError } from "../../CircuitError.ts"
import type { CircuitEvent } from "../../CircuitEvent.ts"
import type { CircuitPolicy, Classify } from "../../CircuitPolicy.ts"
import * as CircuitState from "../../CircuitState.ts"
import { CircuitStore, type Operator } from "../../CircuitStore.ts"
import type { Evidence } from "../../Evidence.ts"
import * as Outcome from "../../Outcome.ts"
import { circuitMillis, elapsedMillis } from "../clock/time.ts"
import { checkObserver } from "../observers/checkObserver.ts"
import type { CircuitObserver } from "../observers/observer.ts"
import { type CompiledPolicy, compilePolicy } from "../options/compiledPolicy.ts"
import { checkOptions } from "../options/known.ts"
import { streamLimits } from "../options/streamLimits.ts"
import * as validation from "../options/validation.ts"
import { type Begin, beginning } from "./begin.ts"
import { noted } from "./blocked.ts"
import { type Call, clockOf } from "./call.ts"
import { givenEvidence } from "./callEvidence.ts"
import { callerError, checked, contained } from "./containment.ts"
import { finish, guard, take } from "./guard.ts"
import { guardStream, partReader } from "./guardStream.ts"
import { beginProbe, CurrentProbe } from "./probing.ts"
import { followBuild } from "./rebuilt.ts"
import * as trace from "./trace.ts"

export const make = Effect.fnUntraced(function*(
  policy: CircuitPolicy | ((key: string) => CircuitPolicy)
) {
  const store = yield* CircuitStore
  yield* followBuild(store)
  const { hub } = store
  const context = yield* Effect.context<never>()
  const policyOf = policyResolver(policy, context)

  const call = (
    fiber: Fiber.Fiber<unknown, unknown>,
    key: string,
    classify: Classify | undefined,
    evidence: Evidence | undefined,
    token: unknown,
    lastResort?: boolean
  ): Call => {
    const clock = clockOf(fiber)
    const startedAt = elapsedMillis(clock)
    const policy = policyOf(key)
    return {
      circuit: store.circuit(key, policy, clock, Math.floor(startedAt)),
      policy,
      classify: classify ?? policy.classify,
      hub,
      clock,
      startedAt,
      span: trace.spanOf(fiber),
      noted: noted(),
      evidence: givenEvidence(evidence),
      token,
      lastResort,
      fiber
    }
  }

  const begin: Begin = (fiber, self, { classify, evidence, key, lastResort }) =>
    guard(self, call(fiber, key, classify as Classify | undefined, evidence, self, lastResort))

  const execute = <A, E, R>(
    self: Effect.Effect<A, E, R>,
    options: ExecuteOptions<A, E>
  ): Effect.Effect<A, E | CircuitBreakerError, R> => {
    validation.key(options.key)
    return Effect.withFiber((fiber) => begin(fiber, self, options))
  }

  const stream = <A, E, R>(
    self: Stream.Stream<A, E, R>,
    { classify, classifyPart, evidence, firstContentTimeout, idleTimeout, key, lastResort, settleProbeAt }:
      StreamOptions<
        A,
        E
      >
  ): Stream.Stream<A, E | CircuitBreakerError, R> => {
    validation.key(key)
    const limits = {
      ...streamLimits({
        firstContentTimeout: validation.optionalLimit("firstContentTimeout", firstContentTimeout),
        idleTimeout: validation.optionalLimit("idleTimeout", idleTimeout)
      }),
      settleProbeAt: validation.settleProbeAt(settleProbeAt)
    }
    const reader = partReader(classifyPart)
    const begin = Effect.withFiber((fiber) =>
      Effect.succeed({
        ...call(fiber, key, classify as Classify | undefined, evidence, self, lastResort),
        ...limits,
        classifyPart: reader
      })
    )
    return guardStream(self, begin)
  }

  const acquire = (
    key: string,
    evidence: Evidence | undefined
  ): Effect.Effect<Permit & { readonly drop: Effect.Effect<void> }, CircuitBreakerError> =>
    Effect.withFiber((fiber) => {
      const taken = call(fiber, validation.key(key), undefined, evidence, undefined)
      return Effect.map(take(taken), (permit) => {
        let own: Outcome.Outcome = unused
        if (permit.probe > 0) {
          taken.probing = beginProbe(taken.circuit, permit, (outcome) => own = outcome)
          // Until the scope of the permit closes, as `Effect.annotateLogsScoped` does with annotations.
          fiber.setContext(Context.add(fiber.context, CurrentProbe, taken.probing))
        }
        let settled = false
        const settle = (outcome: Outcome.Outcome) =>
          Effect.suspend(() => {
            if (settled) return Effect.void
            settled = true
            const said = contained(taken, () => checked(outcome), callerError)
            return finish(taken, permit, said, false) ?? Effect.void
          })
        return { key, probe: permit.probe > 0, settle, drop: Effect.suspend(() => settle(own)) }
      })
    })

  const find = (key: string) =>
    Effect.withFiber((fiber) => Effect.succeed(store.find(key, policyOf(key), circuitMillis(clockOf(fiber)))))

  const keep = (key: string) =>
    Effect.withFiber((fiber) => {
      const clock = clockOf(fiber)
      const policy = policyOf(validation.key(key))
      return Effect.succeed(store.keep(key, policy, clock, circuitMillis(clock)))
    })

  const view = (key: string): Effect.Effect<CircuitState.CircuitView> =>
    Effect.withFiber((fiber) => {
      validation.key(key)
      const clock = clockOf(fiber)
      // At each reading, because a store may forget a circuit that is not used.
      const circuit = () => store.circuit(key, policyOf(key), clock, circuitMillis(clock))
      return Effect.succeed({
        key,
        get passes() {
          return circuit().pass !== undefined
        },
        get state() {
          return circuit().view(clock)
        }
      })
    })

  const observe = (observer: CircuitObserver) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        checkObserver(observer)
        hub.add(observer)
      }),
      () => Effect.sync(() => hub.remove(observer))
    )

  return {
    execute: beginning(dual(2, execute), begin),
    stream,
    acquire: (key, options) => Effect.acquireRelease(acquire(key, options?.evidence), (permit) => permit.drop),
    state: (key) => Effect.flatMap(find(key), (circuit) => circuit?.state ?? Effect.succeed(CircuitState.unused(key))),
    states: Effect.withFiber((fiber) => {
      const clock = clockOf(fiber)
      return Effect.succeed(store.circuits(circuitMillis(clock)).map((circuit) => circuit.view(clock)))
    }),
    forceOpen: (key, options = {}) =>
      Effect.suspend(() => {
        checkOptions(options, { for: true, ...operatorFields })
        const millis = options.for === undefined ? undefined : validation.millis("forceOpen.for", options.for)
        return Effect.flatMap(keep(key), (circuit) => circuit.forceOpen(millis, options))
      }),
    reset: (key, operator) => steer(find(key), operator, (circuit, by) => circuit?.reset(by)),
    disable: (key, operator) => steer(keep(key), operator, (circuit, by) => circuit.disable(by)),
    enable: (key, operator) => steer(find(key), operator, (circuit, by) => circuit?.enable(by)),
    view,
    reporter: hub,
    observe,
    events: Stream.callback<CircuitEvent>(
      (queue) => observe({ name: "events", onEvent: (event) => Queue.offerUnsafe(queue, event) }),
      { bufferSize: 1024, strategy: "sliding" }
    )
  } satisfies CircuitBreaker["Service"]
})

const operatorFields: Record<keyof Operator, true> = { reason: true, actor: true }

const steer = <A>(
  found: Effect.Effect<A>,
  operator: Operator = {},
  order: (circuit: A, by: Operator) => Effect.Effect<void> | undefined
): Effect.Effect<void> =>
  Effect.flatMap(found, (circuit) => {
    checkOptions(operator, operatorFields)
    return order(circuit, operator) ?? Effect.void
  })

const unused = Outcome.ignored("cancelled")

// Compiles each policy object once, because a function of the key is asked at every call.
const policyResolver = (
  policy: CircuitPolicy | ((key: string) => CircuitPolicy),
  context: Context.Context<never>
): (key: string) => CompiledPolicy => {
  if (typeof policy !== "function") {
    const compiled = compilePolicy(policy, context)
    return () => compiled
  }
  const known = new WeakMap<CircuitPolicy, CompiledPolicy>()
  return (key) => {
    const chosen = policy(key)
    const compiled = known.get(chosen) ?? compilePolicy(chosen, context)
    known.set(chosen, compiled)
    return compiled
  }
}
