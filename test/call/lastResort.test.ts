// When a call whose caller has no other target passes an open circuit.
import { assert, describe, it } from "@effect/vitest"
import type { Clock, Fiber } from "effect"
import type * as CircuitState from "../../src/CircuitState.ts"
import type { Call } from "../../src/internal/call/call.ts"
import { CallEvidence } from "../../src/internal/call/callEvidence.ts"
import { beginLastResort, endLastResort } from "../../src/internal/call/lastResort.ts"
import { type Evidence, failed, none, served } from "../../src/internal/machine/evidence.ts"
import * as Outcome from "../../src/Outcome.ts"
import { closed, forcedOpen, halfOpen, open } from "../failover/places.ts"

interface Circuit {
  state: CircuitState.CircuitState
  evidence: Evidence
  servedAt: number
  probes: number
  now: number
}

/** A circuit that was opened by timeouts, at a provider that served a call a moment ago, and calls of it. */
const opened = (change: Partial<Circuit> = {}) => {
  const circuit: Circuit = {
    state: open(60_000, "timeout"),
    evidence: none,
    servedAt: 95_000,
    probes: 0,
    now: 100_000,
    ...change
  }
  const names = { Open: "open", HalfOpen: "half_open", ForcedOpen: "forced_open", Closed: "closed" } as const
  const handle = {
    key: "chat/us",
    get stateName() {
      return names[circuit.state._tag as keyof typeof names]
    },
    view: () => circuit.state,
    get evidence() {
      return circuit.evidence
    },
    get servedAt() {
      return circuit.servedAt
    },
    probedEarly: () => {
      circuit.probes++
    }
  }
  const clock = {
    monotonicTimeNanosUnsafe: () => BigInt(circuit.now) * 1_000_000n,
    currentTimeMillisUnsafe: () => circuit.now
  }
  const call = (request = 7, lastResort = true): Call => ({
    circuit: handle,
    clock: clock as unknown as Clock.Clock,
    lastResort,
    known: new CallEvidence((call) => ({ call, request, source: 0 })),
    fiber: undefined as unknown as Fiber.Fiber<unknown, unknown>
  } as unknown as Call)
  /** A call that ends so; whether it was let through. */
  const asks = (outcome: Outcome.Outcome, now = circuit.now) => {
    circuit.now = now
    const self = call()
    const passes = beginLastResort(self)
    if (passes) endLastResort(self, outcome)
    return passes
  }
  return { asks, call, circuit }
}
const failure = Outcome.failure("timeout")

describe("a call passes an open circuit", () => {
  it("if its caller has nobody else, and the guard knows it afterwards", () => {
    const { call } = opened()
    const self = call()
    assert.isTrue(beginLastResort(self))
    assert.isTrue(self.asLastResort)
    assert.isFalse(beginLastResort(opened().call(7, false)))
  })

  it.each(
    [
      ["closed", closed()],
      ["half-open", halfOpen(undefined, "timeout")],
      ["held by an operator", { ...forcedOpen(60_000), lastFailureKind: "timeout" }],
      ["opened at once by what the provider said", { ...open(60_000, "timeout"), reason: "open_now" }],
      ["opened by what no request can cause", open(60_000, "overloaded")],
      ["opened by refusals of our account", open(60_000, "auth")],
      ["opened by nothing that is known", open(60_000)]
    ] as const
  )("and none that is %s", (_, state) => {
    assert.isFalse(beginLastResort(opened({ state: state as CircuitState.CircuitState }).call()))
  })

  it("one at a time, and not the one whose request may be the cause", () => {
    const evidence = failed(none, { call: 1, request: 1, source: 0 }, 99_000, false, 2).evidence
    const { call } = opened({ evidence })
    assert.isFalse(beginLastResort(call(1)))
    const first = call(2)
    assert.isTrue(beginLastResort(first))
    assert.isFalse(beginLastResort(call(3)))
    endLastResort(first, Outcome.ignored("cancelled"))
    assert.isTrue(beginLastResort(call(3)))
  })
})

describe("the end of such a call", () => {
  it("is the circuit's probe if it was served, and the next one is let through", () => {
    const { asks, circuit } = opened()
    assert.isTrue(asks(Outcome.success))
    assert.strictEqual(circuit.probes, 1)
    assert.isTrue(asks(Outcome.success))
  })

  it("harms nothing where a store knows no early probes", () => {
    const { call } = opened()
    const self = call()
    const { probedEarly: _, ...bare } = self.circuit
    const plain = { ...self, circuit: { ...bare, stateName: "open", view: self.circuit.view } } as Call
    assert.isTrue(beginLastResort(plain))
    endLastResort(plain, Outcome.success)
  })

  it("makes the next one wait a second if it failed, and twice as long after each further failure", () => {
    const { asks, circuit } = opened()
    assert.isTrue(asks(failure))
    assert.isFalse(asks(failure, 100_999))
    assert.isTrue(asks(failure, 101_000))
    assert.isFalse(asks(failure, 102_999))
    assert.isTrue(asks(failure, 103_000))
    assert.isFalse(asks(failure, 106_999))
    assert.strictEqual(circuit.probes, 0)
  })

  it("makes nobody wait if it says nothing of the provider", () => {
    const { asks, circuit } = opened()
    assert.isTrue(asks(Outcome.ignored("content_policy")))
    assert.isTrue(asks(failure))
    assert.strictEqual(circuit.probes, 0)
  })

  it("is the only one in an outage of a provider that has served no call for 10 s, also of described calls", () => {
    const old = served(none, { call: 1, request: 1, source: 0 }, 89_999)
    for (const change of [{ servedAt: 89_999 }, { servedAt: -Infinity }, { servedAt: -Infinity, evidence: old }]) {
      const { asks, circuit } = opened(change)
      assert.isTrue(asks(failure))
      assert.isFalse(asks(failure, 10_000_000))
      circuit.state = { ...open(60_000, "timeout"), outageId: "2" } as CircuitState.CircuitState
      assert.isTrue(asks(failure))
    }
  })

  it("is one of several where the provider served a call 10 s ago, described by its caller or not", () => {
    const recent = served(none, { call: 1, request: 1, source: 0 }, 90_000)
    for (
      const change of [
        { servedAt: 90_000 },
        { servedAt: -Infinity, evidence: recent },
        { servedAt: 1, evidence: recent },
        { servedAt: 90_000, evidence: served(none, { call: 1, request: 1, source: 0 }, 1) }
      ]
    ) {
      const { asks } = opened(change)
      assert.isTrue(asks(failure))
      assert.isTrue(asks(failure, 101_000))
    }
  })
})
