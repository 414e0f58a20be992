/**
 * Circuits that a fleet of processes shares through PostgreSQL.
 *
 * @since 0.1.0
 */
export * as PostgresCircuitStore from "./PostgresCircuitStore.ts"
