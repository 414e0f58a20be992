/** Which target serves each route, why it changed, and what no target served. */
import type { Dashboard } from "@grafana/grafana-foundation-sdk/dashboard"
import { annotation, choice, layOut, runbook, start } from "./dashboard.ts"
import { stat, table, timeline, timeseries } from "./panels.ts"
import { counted, max, rate } from "./query.ts"
import { states } from "./states.ts"

// Calls that were let through.
const ran = "success|failure|ignored|interrupted"
const switched = counted("switches", ["route", "from_target", "to_target", "cause"], { over: "max" })

const now = [
  {
    height: 8,
    panels: [
      [
        4,
        stat(
          {
            title: "Calls that nobody served",
            description: "Calls in the last minute that found no target of their route: what users suffer.",
            unit: "short",
            alerts: ["AllTargetsDown"]
          },
          counted("exhausted", [], { within: "1m" }),
          [[null, "green"], [1, "red"]],
          "0"
        )
      ],
      [
        4,
        stat(
          {
            title: "Routes failed over",
            description: "Routes that another target than their primary serves, in at least one instance.",
            unit: "short",
            alerts: ["FailedOverTooLong"]
          },
          `sum(${max("failedOver", ["route"])})`,
          [[null, "green"], [1, "orange"]],
          "0"
        )
      ],
      [
        10,
        timeline(
          {
            title: "Which target serves each route",
            description: "One line for each target; with a shared store all instances decide alike.",
            unit: "short",
            alerts: ["FailedOverTooLong"]
          },
          [[max("activeTarget", ["route", "target"]), "{{route}}: {{target}}"]],
          { 0: ["stands by", "dark-blue"], 1: ["serves", "green"] }
        )
      ],
      [
        6,
        table(
          {
            title: "Serving now",
            description: "The targets that serve a route in at least one instance.",
            unit: "short",
            alerts: ["FailedOverTooLong"]
          },
          [{
            name: "serves",
            expr: `${max("activeTarget", ["route", "target"])} == 1`,
            unit: "short",
            words: { 1: ["serves", "green"] }
          }]
        )
      ]
    ]
  },
  {
    height: 8,
    panels: [
      [
        12,
        timeseries(
          {
            title: "Switches",
            description:
              "From which target to which, and why; recovered is the return to a better target. The most that one instance saw, at the turn of a minute in two bars.",
            unit: "short"
          },
          [[switched, "{{route}}: {{from_target}} → {{to_target}} ({{cause}})"]],
          { bars: true, stacked: true }
        )
      ],
      [
        12,
        timeseries(
          {
            title: "Calls that nobody served, by route",
            description: "Every target of the route turned the call away or failed.",
            unit: "short",
            alerts: ["AllTargetsDown"]
          },
          [[counted("exhausted", ["route"]), "{{route}}"]],
          { bars: true, stacked: true }
        )
      ]
    ]
  },
  {
    height: 8,
    panels: [
      [
        8,
        timeseries(
          {
            title: "Calls by the target that served",
            description: "Whose answer calls got.",
            unit: "short"
          },
          [[counted("served", ["route", "target"]), "{{route}}: {{target}}"]],
          { bars: true, stacked: true }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Attempts that did not serve",
            description: "Attempts at a target after which the call went on, or failed, and why.",
            unit: "short"
          },
          [[counted("attempts", ["route", "target", "cause"]), "{{route}}: {{target}} ({{cause}})"]],
          { bars: true, stacked: true }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Refusals of accounts",
            description: "Calls that a target refused for a key, an account or a place.",
            unit: "short",
            alerts: ["AccountRefused"]
          },
          [[counted("refusals", ["route", "target", "kind"]), "{{route}}: {{target}} ({{kind}})"]],
          { bars: true, stacked: true }
        )
      ]
    ]
  }
] as const

const targets = [
  {
    height: 9,
    panels: [
      [
        14,
        timeline(
          {
            title: "State of the circuits",
            description: "Each target has a circuit of its own, and its state decides whether the target may serve.",
            unit: "short",
            alerts: ["CircuitOpenTooLong"]
          },
          [[max("currentState", ["backend"]), "{{backend}}"]],
          states
        )
      ],
      [
        10,
        timeseries(
          {
            title: "Calls by circuit",
            description: "Where the traffic goes: it should move with the switches, and come home.",
            unit: "reqps"
          },
          [[rate("requests", ["backend"], { outcome: ran }), "{{backend}}"]],
          { stacked: true }
        )
      ]
    ]
  }
] as const

export const failover = (): Dashboard =>
  layOut(
    start("LLM failover", "llm-failover", "Which target serves each route, since when and why.")
      .withVariable(choice("route", "Route", "activeTarget"))
      .withVariable(choice("backend", "Circuit", "requests"))
      .withVariable(runbook)
      .annotation(annotation("Switches", "orange", `${switched} > 0`, "{{route}}: {{to_target}} serves ({{cause}})")),
    [{ title: "Routes", bands: now }, { title: "Targets", bands: targets }]
  ).build()
