/** What an operator asks of circuits during an incident, the most urgent first. */
import type { Dashboard } from "@grafana/grafana-foundation-sdk/dashboard"
import { annotation, choice, layOut, runbook, start } from "./dashboard.ts"
import { heatmap, stat, table, timeline, timeseries } from "./panels.ts"
import { buckets, counted, max, mean, quantile, rate, ratio, series } from "./query.ts"
import { states } from "./states.ts"

const outcomes = {
  success: "green",
  failure: "red",
  ignored: "blue",
  interrupted: "super-light-blue",
  rejected_open: "orange",
  rejected_half_open: "yellow",
  rejected_throttled: "semi-dark-yellow",
  rejected_forced_open: "purple"
}

const rejected = "rejected_.*"
const notClosed = `${max("currentState", ["backend"])} > 0 < 4`

const now = [
  {
    height: 4,
    panels: [
      [
        6,
        stat(
          {
            title: "Circuits not closed",
            description:
              "Open, half-open or forced open in any instance. Anything but 0 is an outage of some provider.",
            unit: "short",
            alerts: ["CircuitOpenTooLong"]
          },
          `count(${notClosed}) or vector(0)`,
          [[null, "green"], [1, "red"]],
          "0"
        )
      ],
      [
        6,
        stat(
          {
            title: "Calls turned away",
            description: "What it costs: calls a second that got no answer because of their circuit.",
            unit: "reqps"
          },
          rate("requests", [], { outcome: rejected }),
          [[null, "green"], [0.001, "orange"]],
          "0"
        )
      ],
      [
        6,
        stat(
          {
            title: "Share of calls that succeeded",
            description: "Of all calls, those turned away included: what callers notice.",
            unit: "percentunit"
          },
          ratio(rate("requests", [], { outcome: "success" }), rate("requests", [])),
          [[null, "red"], [0.95, "orange"], [0.99, "green"]],
          "no calls"
        )
      ],
      [
        6,
        stat(
          {
            title: "Mean time to recover",
            description: "From the first opening until the circuit closed, over the outages that ended in this range.",
            unit: "s"
          },
          mean("outage", []),
          [[null, "text"]],
          "no outage"
        )
      ]
    ]
  },
  {
    height: 9,
    panels: [
      [
        14,
        timeline(
          {
            title: "State of each circuit",
            description:
              "The gravest state that any instance sees. With a shared store all instances agree; without one, each has a circuit of its own.",
            unit: "short",
            alerts: ["CircuitOpenTooLong"]
          },
          [[max("currentState", ["backend"]), "{{backend}}"]],
          states
        )
      ],
      [
        10,
        table(
          {
            title: "Not closed, since when and at what cost",
            description:
              "Since: the last transition, so a failed probe starts it again. Turned away and failures are those of the whole range.",
            unit: "short",
            alerts: ["CircuitForgottenHold"]
          },
          [
            { name: "state", expr: `${max("currentState", ["backend"])} > 0`, unit: "short", words: states },
            {
              name: "since",
              expr: `1000 * ${max("lastTransition", ["backend"])} and ${max("currentState", ["backend"])} > 0`,
              unit: "dateTimeFromNow"
            },
            {
              name: "turned away",
              expr: `sum by (backend) (increase(${series("requests", { outcome: rejected })}[$__range])) and ${
                max("currentState", ["backend"])
              } > 0`,
              unit: "short"
            },
            {
              name: "failures in a row",
              expr: `${max("consecutiveFailures", ["backend"])} and ${max("currentState", ["backend"])} > 0`,
              unit: "short"
            }
          ]
        )
      ]
    ]
  }
] as const

const calls = [
  {
    height: 8,
    panels: [
      [
        8,
        timeseries(
          {
            title: "Calls by outcome",
            description: "Calls a second. Success, failure, ignored and interrupted ran; the others were turned away.",
            unit: "reqps"
          },
          [[rate("requests", ["outcome"]), "{{outcome}}"]],
          { stacked: true, colors: outcomes }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Share of calls turned away",
            description: "Of the calls of each circuit. 100 % is an outage, less is a probe, a throttle or a ramp.",
            unit: "percentunit",
            alerts: ["CircuitTurnsAway"]
          },
          [[
            ratio(rate("requests", ["backend"], { outcome: rejected }), rate("requests", ["backend"])),
            "{{backend}}"
          ]],
          { max: 1 }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Calls turned away by reason",
            description:
              "Open, forced open, half-open with its probe on the way, or throttled by the provider's own wish.",
            unit: "reqps"
          },
          [[rate("requests", ["outcome"], { outcome: rejected }), "{{outcome}}"]],
          { stacked: true, colors: outcomes }
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
            title: "Latency: p50, p95, p99",
            description:
              "Of calls that ran, over all instances. Calls that were turned away are not in it, so an outage does not flatter it.",
            unit: "s"
          },
          [
            [quantile(0.5, "requestLatency", ["backend"]), "{{backend}} p50"],
            [quantile(0.95, "requestLatency", ["backend"]), "{{backend}} p95"],
            [quantile(0.99, "requestLatency", ["backend"]), "{{backend}} p99"]
          ]
        )
      ],
      [
        12,
        heatmap(
          {
            title: "Latency of all calls",
            description: "Where the calls are: a second band far above the first is a part of the provider that hangs.",
            unit: "s"
          },
          buckets("requestLatency")
        )
      ]
    ]
  }
] as const

const failures = [
  {
    height: 8,
    panels: [
      [
        8,
        timeseries(
          {
            title: "Failures by kind",
            description: "Why: what the calls that counted against a circuit failed with.",
            unit: "reqps"
          },
          [[rate("failures", ["kind"]), "{{kind}}"]],
          { stacked: true }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Failures in a row, and how many open the circuit",
            description: "The warning before the trip. A policy that keeps a rate has no such limit.",
            unit: "short",
            alerts: ["CircuitNearTrip"]
          },
          [
            [max("consecutiveFailures", ["backend"]), "{{backend}}"],
            [`min by (backend) (${series("failureThreshold")})`, "limit of {{backend}}"]
          ],
          { limit: "/^limit of/" }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Share of failed calls, and how much opens the circuit",
            description: "Of the calls that ran and said something. The limit is there if the policy keeps a rate.",
            unit: "percentunit",
            alerts: ["CircuitNearTrip"]
          },
          [
            [
              ratio(
                rate("requests", ["backend"], { outcome: "failure" }),
                rate("requests", ["backend"], { outcome: "success|failure" })
              ),
              "{{backend}}"
            ],
            [`min by (backend) (${series("failureRateThreshold")})`, "limit of {{backend}}"]
          ],
          { max: 1, limit: "/^limit of/" }
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
            title: "Throttles",
            description: "How often a provider asked everybody to wait: too much traffic or too small a quota.",
            unit: "short"
          },
          [[counted("throttles", ["backend", "kind"]), "{{backend}} {{kind}}"]],
          { bars: true, stacked: true }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Time to first content: p95",
            description: "Of streams. What users feel as speed; it rises before a provider fails.",
            unit: "s"
          },
          [[quantile(0.95, "firstContent", ["backend"]), "{{backend}}"]]
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Gaps within streams: p95",
            description: "Waits for progress after the first content. The idle limit should stand well above.",
            unit: "s"
          },
          [[quantile(0.95, "streamGap", ["backend"]), "{{backend}}"]]
        )
      ]
    ]
  }
] as const

const recovery = [
  {
    height: 8,
    panels: [
      [
        8,
        timeseries(
          {
            title: "Transitions",
            description:
              "The most that one instance saw: with a shared store every instance sees each, at the turn of a minute in two bars. Many of closed → open are flapping.",
            unit: "short",
            alerts: ["CircuitFlapping"]
          },
          [[
            counted("stateTransitions", ["backend", "from_state", "to_state"], { over: "max" }),
            "{{backend}}: {{from_state}} → {{to_state}}"
          ]],
          { bars: true, stacked: true }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Probes by result",
            description: "Is it getting better? Failures only: the provider is still down.",
            unit: "short",
            alerts: ["CircuitProbeFailing"]
          },
          [[counted("probes", ["result"]), "{{result}}"]],
          {
            bars: true,
            stacked: true,
            colors: { success: "green", failure: "red", ignored: "blue", interrupted: "super-light-blue" }
          }
        )
      ],
      [
        8,
        timeseries(
          {
            title: "Length of outages: p50, p95",
            description: "From the first opening until closed, of the outages that ended within the hour before.",
            unit: "s"
          },
          [
            [quantile(0.5, "outage", ["backend"], "[1h]"), "{{backend}} p50"],
            [quantile(0.95, "outage", ["backend"], "[1h]"), "{{backend}} p95"]
          ]
        )
      ]
    ]
  }
] as const

const guard = [
  {
    height: 8,
    panels: [
      [
        6,
        timeline(
          {
            title: "Shared store",
            description:
              "Degraded: the instance decides by itself, because the store does not answer or does not push.",
            unit: "short",
            alerts: ["CircuitStoreDegraded"]
          },
          [[series("storeDegraded"), "{{instance}}"]],
          { 0: ["works", "green"], 1: ["degraded", "orange"] }
        )
      ],
      [
        6,
        timeseries(
          {
            title: "Store operations: p95",
            description:
              "Calls wait for a store only when something fails or a key is new, and never longer than the operation timeout.",
            unit: "s"
          },
          [[quantile(0.95, "storeOperation", ["operation"]), "{{operation}}"]]
        )
      ],
      [
        6,
        timeseries(
          {
            title: "Store errors",
            description: "Operations of the shared store that failed, by the code of their error.",
            unit: "short",
            alerts: ["CircuitStoreErrors"]
          },
          [[counted("storeErrors", ["operation", "error"]), "{{operation}} {{error}}"]],
          { bars: true, stacked: true }
        )
      ],
      [
        6,
        timeseries(
          {
            title: "Faults around the guard",
            description:
              "Throws of observers and classifiers hurt no call, but what they do is not done. Late outcomes came too late to count. Unguarded calls found no room for their circuit.",
            unit: "short",
            alerts: ["CircuitObserverErrors", "CircuitClassifierErrors", "CircuitStoreFull"]
          },
          [
            [counted("observerErrors", ["observer"]), "observer {{observer}}"],
            [counted("classifierErrors", []), "classifier"],
            [counted("lateOutcomes", ["backend"]), "late {{backend}}"],
            [counted("unguardedCalls", []), "unguarded"]
          ],
          { bars: true }
        )
      ]
    ]
  }
] as const

export const circuits = (): Dashboard =>
  layOut(
    start(
      "LLM circuit breakers",
      "llm-circuit-breaker",
      "What is open, since when, why, what it costs, and whether it is getting better."
    )
      .withVariable(choice("backend", "Circuit", "requests"))
      .withVariable(runbook)
      .annotation(
        annotation(
          "Openings",
          "red",
          `${counted("stateTransitions", ["backend"], { over: "max", matchers: { to_state: "open" } })} > 0`,
          "{{backend}} opened"
        )
      )
      .annotation(
        annotation(
          "Recoveries",
          "green",
          `${
            counted("stateTransitions", ["backend"], {
              over: "max",
              matchers: { from_state: "half_open", to_state: "closed" }
            })
          } > 0`,
          "{{backend}} closed"
        )
      ),
    [
      { title: "Now", bands: now },
      { title: "Calls", bands: calls },
      { title: "Failures", bands: failures },
      { title: "Outages and recovery", bands: recovery },
      { title: "The guard itself", bands: guard }
    ]
  ).build()
