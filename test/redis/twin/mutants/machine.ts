/** Faults of the state machine, which a walk finds. */
import { TripPolicy } from "effect-resilience"
import { compiled } from "../machine.ts"
import { walk } from "../walk.ts"
import type { Mutants } from "./Mutants.ts"

const policy = compiled({
  tripPolicy: TripPolicy.consecutive(2),
  probes: 2,
  successesToClose: 2,
  openDuration: 1,
  maxOpenDuration: 2,
  probeLease: 2,
  ramp: 2
})

export const ofMachine: ReadonlyArray<Mutants> = [{
  check: (script) => walk(script, policy),
  faults: [
    ["the cooldown takes a millisecond more", "c.openUntil > now or", "c.openUntil >= now or"],
    ["a lease lasts a millisecond more", "if now < probe.leaseUntil then", "if now <= probe.leaseUntil then"],
    ["leases do not run out", "if now < probe.leaseUntil then", "if true then"],
    ["lapsed probes stay", "    c.probes = live\n", ""],
    ["there is a slot more", "if #live >= policy.probes", "if #live > policy.probes"],
    ["an open circuit ignores its gate", " or c.gateUntil > now then return 0 end", " then return 0 end"],
    ["a half-open circuit ignores its gate", "if now < c.gateUntil then return 0 end", ""],
    ["ids of probes come again", "c.issued = c.issued + 1", "c.issued = #c.probes + 1"],
    [
      "a half-open circuit has a deadline",
      `"half_open", "cooldown_elapsed", 0`,
      `"half_open", "cooldown_elapsed", now`
    ],
    ["an old generation counts", "if arg.generation ~= c.generation then", "if false then"],
    ["a call that is no probe counts as one", "if not probing and c.state", "if false and c.state"],
    ["a probe that is gone counts", "if probing and not take(arg.probe, owner)", "take(arg.probe, owner) if false"],
    ["a probe keeps its slot", "table.remove(c.probes, i)", ""],
    ["a claim keeps the generation", `nextGeneration()\n    c.state,`, "c.generation c.state,"],
    [
      "an opening keeps the generation",
      "nextGeneration()\n  c.state, c.reason, c.openedAt",
      "c.generation c.state, c.reason, c.openedAt"
    ],
    [
      "a close keeps the generation",
      "nextGeneration()\n  c.state, c.reason = state",
      "c.generation c.state, c.reason = state"
    ],
    [
      "an opening leaves its probes",
      "{}, 0, 0\n  c.rampUntil, c.rampCredit, c.hintUntil",
      "c.probes, 0, 0 c.rampUntil, c.rampCredit, c.hintUntil"
    ],
    ["a success forgets kinds of no streak", "verdict.endsStreak and c.failures > 0", "verdict.endsStreak"],
    ["the hint of a streak is forgotten", "c.hintUntil, c.openUntil)", "c.openUntil)"],
    ["a trip overwrites the deadline", "now + hint(verdict), c.hintUntil, c.openUntil)", "0)"],
    ["a hold overwrites the deadline", "math.max(c.openUntil, untilMillis)", "untilMillis"],
    ["a hold for ever ends", "arg.forMillis == never and never or", ""],
    ["a hold is not remembered", `c.held = "1"`, ""],
    ["hints are not capped", "math.min(verdict.hintMillis, policy.maxHintMillis)", "verdict.hintMillis"],
    ["openings are not numbered anew", "now - c.closedAt >= c.openMillis", "false"],
    ["openings are numbered anew too late", "now - c.closedAt >= c.openMillis", "now - c.closedAt > c.openMillis"],
    ["it closes a success too late", "c.successes >= policy.successesToClose", "c.successes > policy.successesToClose"],
    ["it opens a failure too late", "c.failures >= verdict.failureThreshold", "c.failures > verdict.failureThreshold"],
    ["the ramp is lost", "policy.rampMillis == 0 and 0 or now + policy.rampMillis", "0"],
    ["the ramp lets nobody through", "c.rampCredit = policy.rampMillis", "c.rampCredit = 0"],
    ["a gate is shortened", "c.gateUntil = math.max(c.gateUntil, now", "c.gateUntil = math.max(0, now"],
    [
      "a disabled circuit has a gate",
      `if c.state ~= "disabled" then c.gateUntil = math.max`,
      "if true then c.gateUntil = math.max"
    ],
    [
      "a close forgets the gate",
      "c.gateUntil, c.closedAt = openMillis, openings, gateUntil",
      "c.gateUntil, c.closedAt = openMillis, openings, 0"
    ],
    ["an outage begins anew", "if c.outage == 0 then c.outage", "if true then c.outage"]
  ]
}]
