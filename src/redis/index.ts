/**
 * Circuits that a fleet of processes shares through Redis.
 *
 * @since 0.1.0
 */
export * as RedisCircuitStore from "./RedisCircuitStore.ts"
