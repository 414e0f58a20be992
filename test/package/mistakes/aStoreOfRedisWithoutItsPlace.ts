// TS2769: Object literal may only specify known properties, and 'host' does not exist in type 'Connection
import { RedisCircuitStore } from "effect-resilience/redis"

export const Store = RedisCircuitStore.layer({ host: "localhost", port: 6379 })
