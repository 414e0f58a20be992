/** The script that keeps a circuit in a hash: its parts in the order in which they run. */
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
 * The pulse. It writes, because a server that cannot write is of no use, and publishes to the process that runs it: if
 * that arrives, so do the messages of other processes.
 */
export const pulseLua = `
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[3])
redis.pcall("PUBLISH", ARGV[2], ARGV[1])
return "ok"
`
