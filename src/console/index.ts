/**
 * A page that shows the circuits of a process and steers them, as routes of `effect/http`. Apart from the core because
 * `effect/http` is marked unstable and experimental.
 *
 * @since 0.1.0
 */
export * as CircuitConsole from "./CircuitConsole.ts"
