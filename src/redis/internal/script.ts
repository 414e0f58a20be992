import { createHash } from "node:crypto"
import type { Script } from "./port.ts"

/** A script and the hash by which a server that has seen it knows it. */
export const script = (lua: string): Script => ({ lua, sha1: createHash("sha1").update(lua).digest("hex") })
