/** The script that keeps a circuit in its hash: the whole of it, in the order in which it runs. */
import * as health from "./luaHealth.ts"
import * as machine from "./luaMachine.ts"
import * as operations from "./luaOperations.ts"
import * as record from "./luaRecord.ts"

export const circuitLua = [
  record.lua,
  operations.luaArguments,
  machine.lua,
  health.lua,
  record.luaReply,
  operations.luaOperations
].join("")

/**
 * Writes, so that a server that cannot does not pass for healthy, and calls its own process: whoever hears it hears
 * the others too.
 */
export const pulseLua = `
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[3])
redis.pcall("PUBLISH", ARGV[2], ARGV[1])
return "ok"
`
