/** The operations of the script, each of which is atomic. */

/** The names of the arguments of an operation, in their order after the common ones; a `:` marks a text. */
export const operations = {
  /** Reads the record. */
  read: [],
  /** Takes a probe slot if there is one to take; 0 if not. */
  claim: ["leaseMillis"],
  /** Prolongs the lease of a probe; 0 if it is no longer its owner's. */
  renew: ["generation", "probe", "leaseMillis"],
  /** Reports `calls` successes of a generation, and after them one call; an `outcome` of "" is no call. */
  report: [
    "generation",
    "calls",
    "endsStreak",
    "probe",
    ":outcome",
    ":kind",
    "hintMillis",
    ":durationMillis",
    "firstMillis",
    "nextMillis"
  ],
  /** Opens the circuit for an operator; without an end if `forMillis` is `never`. */
  force: ["forMillis", ":note", ":actor"],
  reset: [":note", ":actor"],
  disable: [":note", ":actor"],
  enable: [":note", ":actor"],
  /** Brings in a circuit as JSON; each time is the milliseconds that are left. */
  merge: [":circuit"]
} as const

export type Operation = keyof typeof operations

const table = Object.entries(operations).map(([name, args]) =>
  `${name} = { ${args.map((arg) => `"${arg}"`).join(", ")} }`
)

/** Checks every argument before anything is written. */
export const luaArguments = `
local signatures = { ${table.join(", ")} }
local signature = signatures[ARGV[1]]
if not signature then return redis.error_reply("ERR effect-resilience: no such operation: " .. tostring(ARGV[1])) end
local owner = ARGV[8]
local arg = {}
for i, name in ipairs(signature) do
  local text = ARGV[8 + i]
  if string.sub(name, 1, 1) == ":" then
    arg[string.sub(name, 2)] = text
  else
    arg[name] = whole(text)
  end
  if text == nil or (string.sub(name, 1, 1) ~= ":" and not whole(text)) then
    return redis.error_reply("ERR effect-resilience: " .. ARGV[1] .. " needs a whole number for " .. name)
  end
end
if not whole(ARGV[3]) or not whole(ARGV[6]) or not string.match(owner or "", "^%w+$") then
  return redis.error_reply("ERR effect-resilience: malformed arguments")
end
for _, name in ipairs({ "probes", "successesToClose", "rampMillis", "maxHintMillis", "windowMillis" }) do
  if not whole(policy[name]) then
    return redis.error_reply("ERR effect-resilience: the policy needs a whole number for " .. name)
  end
end
`

export const luaOperations = `
-- The record is older than what this process has seen, because Redis lost it: the process has to merge first.
if ARGV[1] ~= "merge" and c.generation < whole(ARGV[3]) then return answer("stale") end

if ARGV[1] == "read" then return answer("ok") end

if ARGV[1] == "claim" then
  local id = claim(owner, arg.leaseMillis)
  if id > 0 then
    if c.generation ~= before.generation then clearHealth(false) end
    save()
  end
  return answer("ok", int(id))
end

if ARGV[1] == "renew" then
  for _, probe in ipairs(c.probes) do
    if c.generation == arg.generation and probe.id == arg.probe and probe.owner == owner then
      probe.leaseUntil = math.max(probe.leaseUntil, after(arg.leaseMillis))
      save()
      return answer("ok", "1")
    end
  end
  return answer("ok", "0")
end

-- An order that changes nothing does not replace the words of the operator who changed something.
local idle = not present and (ARGV[1] == "reset" or ARGV[1] == "enable")
  or ARGV[1] == "disable" and c.state == "disabled" or ARGV[1] == "enable" and c.state ~= "disabled"
if idle then return answer("ok") end

if ARGV[1] == "force" then
  force(arg.forMillis == never and never or after(arg.forMillis))
  c.held = "1"
elseif ARGV[1] == "reset" then
  initial("closed", "reset")
elseif ARGV[1] == "disable" then
  initial("disabled", "disabled")
elseif ARGV[1] == "enable" then
  initial("closed", "enabled")
elseif ARGV[1] == "merge" then
  local times = {
    openedAt = true, openUntil = true, closedAt = true, outageAt = true, rampUntil = true, gateUntil = true, hintUntil = true
  }
  local other = cjson.decode(arg.circuit)
  local valid = type(other) == "table" and states[other.state]
  for _, name in ipairs(valid and numbers or {}) do
    local value = other[name]
    if not times[name] then
      value = whole(value)
    elseif value == cjson.null then
      value = never
    elseif value == false then
      value = 0
    else
      value = type(value) == "number" and whole(math.abs(value)) and math.max(1, after(value)) or nil
    end
    other[name], valid = value, valid and value
  end
  for _, name in ipairs(valid and texts or {}) do
    valid = valid and (name == "probes" or type(other[name]) == "string")
  end
  valid = valid and whole(other.announced) and whole(other.takesBack)
  if not valid then return redis.error_reply("ERR effect-resilience: merge needs a circuit") end
  local announced, takesBack = other.announced, other.takesBack == 1
  other.probes, other.announced, other.takesBack = {}, nil, nil
  merge(other, takesBack and other.generation == c.generation)
  -- No generation is issued again that the process has announced while it was degraded. A probe that runs is not cut
  -- off for that.
  if c.generation < announced and c.state ~= "half_open" then c.generation = math.max(announced + 1, micros) end
end

if ARGV[1] == "report" then
  if arg.generation ~= c.generation then return answer("late") end
  local probing = arg.probe > 0
  if probing and not take(arg.probe, owner) then return answer("late") end
  if not probing and c.state ~= "closed" and c.state ~= "disabled" then return answer("late") end
  local step = nextOpening() == 1 and arg.firstMillis or arg.nextMillis
  if arg.calls > 0 or arg.endsStreak > 0 then
    local unhealthy = arg.calls > 0 and recordCalls(arg.calls, false, 0)
    local slow = unhealthy and slowness()
    settleCall({
      outcome = "Success", kind = slow and "slow" or "", hintMillis = 0, unhealthy = unhealthy, latencyTripped = slow,
      endsStreak = arg.endsStreak > 0, openMillis = openMillis(step, arg.firstMillis)
    })
  end
  local latencyTripped = c.generation ~= before.generation and c.latencyTripped == "1"
  if arg.outcome ~= "" and c.generation == before.generation then
    local failed, succeeded = arg.outcome == "Failure", arg.outcome == "Success"
    local duration = tonumber(arg.durationMillis) or 0
    local slow = (failed or succeeded) and duration > slowerThanMillis
    local unhealthy = not probing and (failed or succeeded) and recordCalls(1, failed, duration)
    if probing then latencyTripped = slow and succeeded else latencyTripped = unhealthy and slowness() end
    local verdict = {
      outcome = arg.outcome, kind = arg.kind, hintMillis = arg.hintMillis, slow = slow, unhealthy = unhealthy,
      latencyTripped = latencyTripped,
      endsStreak = true, failureThreshold = failureThreshold(), openMillis = openMillis(step, arg.firstMillis)
    }
    if succeeded then verdict.kind = latencyTripped and "slow" or "" end
    local down = math.floor(c.openedAt - c.outageAt + math.min(math.max(0, now - c.openedAt), c.openMillis) / 2 + 0.5)
    if probing then settleProbe(verdict) else settleCall(verdict) end
    if c.reason == "probe_succeeded" and c.generation ~= before.generation and c.held == "" then recovered(down) end
  end
  if c.state == "disabled" and c.openings > before.openings then clearHealth(false) end
  if c.generation ~= before.generation then clearHealth(false) end
  if c.generation ~= before.generation and (c.held == "" or c.state == "closed") then
    c.held, c.note, c.actor = "", "", ""
  end
  save()
  return answer("ok", int(before.generation), int(before.gateUntil), int(before.openings), latencyTripped and "1" or "0")
end

if c.generation ~= before.generation then
  clearHealth(c.reason == "reset")
  if c.state == "closed" or c.state == "disabled" then c.held = "" end
end
if arg.note then c.note, c.actor = arg.note, arg.actor end
save()
return answer("ok")
`
