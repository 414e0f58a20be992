/**
 * Circuits for HTTP clients. Apart from the core because it imports `effect/http` and `effect/persistence`, which are
 * marked unstable and experimental.
 *
 * @since 0.1.0
 */
export * as EffectCircuitBreaker from "./EffectCircuitBreaker.ts"
export * as GuardedHttpClient from "./GuardedHttpClient.ts"
export * as ReusedConnection from "./ReusedConnection.ts"
