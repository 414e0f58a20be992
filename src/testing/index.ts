/**
 * What a test of guarded code needs.
 *
 * @since 0.1.0
 */
export * as CircuitTest from "./CircuitTest.ts"
export * as RecordedEvents from "./RecordedEvents.ts"
export * as RecordStoreSuite from "./RecordStoreSuite.ts"
export * as ScriptedCall from "./ScriptedCall.ts"
export * as ScriptedProvider from "./ScriptedProvider.ts"
export * as SimulatedRecordStore from "./SimulatedRecordStore.ts"
