import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")

/** Has the engine free what nobody can reach. */
export const collectGarbage: () => void = runInNewContext("gc")
