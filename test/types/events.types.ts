// What an observer can do with events, by the compiler's word.
import type { Schema } from "effect"
import {
  type Circuit,
  CircuitError,
  type CircuitEvent,
  type FailoverEvent,
  type Outcome,
  type StoreEvent
} from "effect-resilience"
import { expectTypeOf } from "expect-type"

declare const event: CircuitEvent.CircuitEvent

// The list of types is the list of schemas.
type Decoded = Schema.Schema.Type<typeof CircuitEvent.CircuitEvent>
expectTypeOf(event).toExtend<Decoded>()
expectTypeOf<Decoded>().toExtend<CircuitEvent.CircuitEvent>()

// Every event is value and type.
expectTypeOf<Schema.Schema.Type<typeof CircuitEvent.Opened>>().toExtend<CircuitEvent.Opened>()
expectTypeOf<Schema.Schema.Type<typeof StoreEvent.Degraded>>().toExtend<StoreEvent.Degraded>()
expectTypeOf<Schema.Schema.Type<typeof FailoverEvent.Switched>>().toExtend<FailoverEvent.Switched>()
expectTypeOf<CircuitEvent.ObserverFailed["observer"]>().toEqualTypeOf<string>()

if (event.event === "circuit.opened") {
  expectTypeOf(event).toEqualTypeOf<CircuitEvent.Opened>()
  expectTypeOf(event.to).toEqualTypeOf<"open">()
  expectTypeOf(event.reason).toEqualTypeOf<"threshold" | "open_now" | "probe_failed">()
}

// A transition is known by its `to`, whatever its name.
if ("to" in event) {
  expectTypeOf(event).toExtend<CircuitEvent.Transition>()
  expectTypeOf(event.to).toEqualTypeOf<Circuit.State>()
  expectTypeOf(event.from).toEqualTypeOf<Circuit.State>()
}

// What turned a call away is known for a rejection, and may be for any reason.
declare const rejection: CircuitError.Rejection
declare const reason: CircuitError.Reason
declare const open: CircuitError.CircuitOpen
expectTypeOf(CircuitError.rejectedBy(rejection)).toEqualTypeOf<Circuit.RejectedBy>()
expectTypeOf(CircuitError.rejectedBy(reason)).toEqualTypeOf<Circuit.RejectedBy | undefined>()
expectTypeOf(CircuitError.rejectedBy(open)).toEqualTypeOf<"open">()
expectTypeOf<CircuitEvent.LateOutcome["outcome"]>().toEqualTypeOf<(typeof Outcome.outcomes)[Outcome.Outcome["_tag"]]>()
