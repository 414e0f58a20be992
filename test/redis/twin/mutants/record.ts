/** Faults that the machine cannot tell of: those of records and their owners. */
import { malformed } from "../scenarios/arguments.ts"
import { clock } from "../scenarios/clock.ts"
import { expiry } from "../scenarios/expiry.ts"
import { corrupt } from "../scenarios/junk.ts"
import { merging } from "../scenarios/merging.ts"
import { messages } from "../scenarios/messages.ts"
import { operators } from "../scenarios/operators.ts"
import { probes } from "../scenarios/probes.ts"
import { records } from "../scenarios/records.ts"
import type { Mutants } from "./Mutants.ts"

const leases = probes["a lease is renewed for its owner, as long as the probe is his"]
const forced = expiry["I93: a forced record outlives its deadline, and one without an end does not expire"]
const told = messages["what others need to know of a circuit that stays as it is, is told"]
const whole = malformed["I108: what should be a whole number and is not, is refused before anything is written"]
const fields = corrupt["I105: junk in any one field is flagged, read as something safe, and healed by the next write"]

export const ofRecord: ReadonlyArray<Mutants> = [
  {
    check: clock["a generation rises with every transition, and never comes again after the record is gone"],
    faults: [["generations know no clock", "math.max(c.generation + 1, micros) end", "c.generation + 1 end"]]
  },
  {
    check: clock["a generation follows the one before, if that is ahead of the clock"],
    faults: [["generations know nothing but the clock", "math.max(c.generation + 1, micros) end", "micros end"]]
  },
  {
    check: probes["a probe is ended by its owner alone"],
    faults: [["anybody ends a probe", "if probe.id == id and probe.owner == owner then", "if probe.id == id then"]]
  },
  {
    check: leases,
    faults: [
      ["anybody renews a lease", "probe.id == arg.probe and probe.owner == owner", "probe.id == arg.probe"],
      ["a lease of the past is renewed", "if c.generation == arg.generation and probe.id", "if probe.id"],
      ["a renewal shortens a lease", "math.max(probe.leaseUntil,", "math.max(0,"]
    ]
  },
  {
    check: operators["the words of a hold stay until the circuit is closed"],
    faults: [["the next opening takes the words of a hold", `(c.held == "" or c.state == "closed")`, "true"]]
  },
  {
    check: operators["nobody resets or enables a circuit that nobody has used"],
    faults: [["a reset makes a record of nothing", `not present and (ARGV[1] == "reset" or`, "not present and ("]]
  },
  {
    check: expiry["I93: an open record outlives its deadline by a minute, or by the idle time if that is longer"],
    faults: [[
      "a record expires before its deadline",
      "math.max(now, c.openUntil, c.gateUntil",
      "math.max(now, c.gateUntil"
    ]]
  },
  {
    check: forced,
    faults: [
      ["a hold for ever expires", `c.state == "disabled" or c.openUntil == never then`, `c.state == "disabled" then`],
      ["what is for ever keeps an old expiry", `redis.call("PERSIST", KEYS[1])`, "do end"]
    ]
  },
  {
    check: expiry["I94: a half-open record outlives the lease of its probes"],
    faults: [["a record expires before its lease", "latest = math.max(latest, probe.leaseUntil)", "latest = now"]]
  },
  {
    check: expiry["a closed record outlives its gate, its ramp and its windows"],
    faults: [
      ["a record expires before its gate", "c.openUntil, c.gateUntil, c.rampUntil)", "c.openUntil, c.rampUntil)"],
      ["a record expires before its ramp", "c.openUntil, c.gateUntil, c.rampUntil)", "c.openUntil, c.gateUntil)"],
      ["a record expires before its windows", "tonumber(ARGV[6]), policy.windowMillis,", "tonumber(ARGV[6]),"]
    ]
  },
  {
    check: expiry["I96: counting never shortens the expiry"],
    faults: [["counting shortens the expiry", "expireAt = math.max(expireAt, c.expireAt)", "expireAt = expireAt"]]
  },
  {
    check: messages["every transition is told, with the whole record"],
    faults: [["nothing is published", `redis.pcall("PUBLISH", ARGV[5], cjson`, "local _ = (cjson"]]
  },
  {
    check: messages["counting is not told, nor is what changes nothing"],
    faults: [["counting is published", "if counting() then return end", ""]]
  },
  {
    check: told,
    faults: [
      ["a streak begins silently", " and (c.failures > 0) == before.streak", ""],
      ["a gate is silent", "and c.gateUntil == before.gateUntil and", "and"],
      ["an opening that did not happen is silent", "and c.openings == before.openings", ""]
    ]
  },
  {
    check: messages["a write counts, even if nobody may be told of it"],
    faults: [["a write fails with its message", `redis.pcall("PUBLISH", ARGV[5]`, `redis.call("PUBLISH", ARGV[5]`]]
  },
  {
    check: whole,
    faults: [
      ["arguments are not checked", `(string.sub(name, 1, 1) ~= ":" and not whole(text)) then`, "false then"],
      ["a fraction is a whole number", " or n % 1 ~= 0 then", " then"],
      ["less than nothing is a whole number", " or n < 0 or", " or"]
    ]
  },
  {
    check: malformed["I97: the idle time, the known generation and the owner have to make sense"],
    faults: [
      ["the idle time is not checked", "or not whole(ARGV[6]) or", "or"],
      ["an owner is any text", `string.match(owner or "", "^%w+$")`, "owner"]
    ]
  },
  {
    check: malformed["I108: a policy that is half of one is refused before anything is written"],
    faults: [[
      "it writes before it knows what",
      "local expireAt = expiry()\n",
      `redis.call("HSET", KEYS[1], "version", "1") local expireAt = expiry()\n`
    ]]
  },
  {
    check: records["a record of a newer version is left alone"],
    faults: [["a newer version is taken for ours", "tonumber(loaded[1]) > 1 then", "false then"]]
  },
  {
    check: records["who knows a later generation than the store is told so, and nothing is done"],
    faults: [["nobody knows more than the store", "c.generation < whole(ARGV[3])", "false"]]
  },
  {
    check: records["who follows another policy than the last writer is told so"],
    faults: [["no policy is another", "c.policy ~= policy.fingerprint", "false"]]
  },
  {
    check: records["every write raises the revision, and nothing else does"],
    faults: [["revisions know nothing but the clock", "math.max(c.revision + 1, micros)", "micros"]]
  },
  {
    check: corrupt["I82, I107: a record of which only a part is there is flagged, completed, and healed"],
    faults: [["a missing field is not missed", "if present and not loaded[i] then corrupt = true end", ""]]
  },
  {
    check: fields,
    faults: [
      ["a state is whatever is written", "if not states[c.state] then", "if false then"],
      ["a number is whatever is written", "if n == nil and present then corrupt = true end", ""],
      ["probes are whatever is written", "if probesText() ~= written then corrupt = true end", ""]
    ]
  },
  {
    check: corrupt["I105: windows that make no sense are flagged, and start again"],
    faults: [
      ["a window is whatever is written", `if string.gsub(text, "%d+,%d+,%d+;", "") ~= "" then return nil end`, ""],
      ["more calls failed than there were", "or slot[3] > slot[2] then", "then"]
    ]
  },
  {
    check: corrupt["I105: the largest number in a field does not make the record unreadable for good"],
    faults: [["numbers have no room to grow", "n > largest - 2 ^ 32", "false"]]
  },
  {
    check: malformed["the largest numbers leave a record that can be read"],
    faults: [["a deadline is beyond all numbers", "math.min(now + millis, never - 1)", "now + millis"]]
  },
  {
    check: malformed["a circuit of which one field makes no sense is not brought in"],
    faults: [["half a circuit is brought in", "if not valid then", "if false then"]]
  },
  {
    check: probes["I15, I19: nothing that is reported of an open circuit changes it"],
    faults: [[
      "a report of an open circuit counts",
      `c.state ~= "closed" and c.state ~= "disabled" then`,
      `c.state == "half_open" then`
    ]]
  },
  {
    check: merging["of two deadlines the later one survives, whoever brings it"],
    faults: [["what is brought in overwrites the deadline", "math.max(holds(c) and c.openUntil or 0, holds", "(holds"]]
  },
  {
    check: merging["of two gates the later one survives"],
    faults: [["what is brought in overwrites the gate", "math.max(c.gateUntil, other.gateUntil)", "other.gateUntil"]]
  },
  {
    check: merging["what is still held open wins over what is not, and gets a generation of its own if it is older"],
    faults: [["an older winner keeps its generation", "local fenced = taken ~= newer", "local fenced = false"]]
  },
  {
    check: merging["a hold survives an opening, and takes over its deadline"],
    faults: [["an opening ends a hold", `if c.state == "open" and stored.forced then`, "if false then"]]
  },
  {
    check: merging["what a process brought in and took back is closed, and only that"],
    faults: [
      ["a hold comes again after it was taken back", "if takesBack then taken = true end", ""],
      ["every circuit takes back", "other.takesBack == 1", "true"],
      ["a later hold is taken back", "takesBack and other.generation == c.generation", "takesBack"]
    ]
  },
  {
    check: merging["a generation that a process saw go by does not come again with another state"],
    faults: [["a generation stands for two states", "if c.generation < announced", "if false"]]
  },
  {
    check: merging["a half-open circuit is brought in as one whose next caller probes"],
    faults: [[
      "a half-open circuit is brought in with its probes",
      `"open", now, {}, 0, 0, true`,
      "c.state, 0, {}, 0, 0, true"
    ]]
  },
  {
    check: merging["a disabled circuit stays so, and becomes so only by a later generation"],
    faults: [["a disabled circuit is opened", `if c.state == "disabled" and not newer then return end`, ""]]
  },
  {
    check: merging[
      "a generation never stands for two states, is never taken back, and what is brought twice is brought once"
    ],
    faults: [[
      "a generation is taken back",
      "local generation = math.max(c.generation, other.generation)",
      "local generation = other.generation"
    ]]
  }
]
