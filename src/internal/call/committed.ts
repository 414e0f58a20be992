/** Whether the call around has said that it must not happen twice, for layers that send a request again. */
import { Context } from "effect"

export const IsCommitted: Context.Reference<() => boolean> = Context.Reference(
  "effect-resilience/internal/IsCommitted",
  { defaultValue: () => (): boolean => false }
)
