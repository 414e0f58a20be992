/** The words of the machine: the states, what leads from one to another, and what turns calls away. */

export const states = ["closed", "half_open", "open", "forced_open", "disabled"] as const

export const edges = {
  initial: { from: [], to: "closed" },
  threshold: { from: ["closed"], to: "open" },
  open_now: { from: ["closed", "half_open"], to: "open" },
  probe_failed: { from: ["half_open"], to: "open" },
  probe_succeeded: { from: ["half_open"], to: "closed" },
  cooldown_elapsed: { from: ["open", "forced_open"], to: "half_open" },
  last_resort: { from: ["open"], to: "half_open" },
  forced: { from: ["closed", "half_open", "open", "disabled"], to: "forced_open" },
  reset: { from: states, to: "closed" },
  disabled: { from: ["closed", "half_open", "open", "forced_open"], to: "disabled" },
  enabled: { from: ["disabled"], to: "closed" }
} as const satisfies Record<string, { readonly from: ReadonlyArray<State>; readonly to: State }>

export const reasons = /* @__PURE__ */ Object.keys(edges) as ReadonlyArray<keyof typeof edges>

type State = typeof states[number]

export const rejectedBy = ["open", "half_open", "throttled", "forced_open"] as const
