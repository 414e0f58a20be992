/** `Circuit.ts` in Lua: the same names, the same order of branches, on the record `c`. */
export const lua = `
local function nextGeneration() return math.max(c.generation + 1, micros) end

local function initial(state, reason)
  c.generation = nextGeneration()
  c.state, c.reason = state, reason
  c.failures, c.lastFailureKind, c.latencyTripped = 0, "", ""
  c.openedAt, c.openMillis, c.openUntil, c.openings, c.closedAt = 0, 0, 0, 0, 0
  c.outage, c.outageAt = 0, 0
  c.probes, c.issued, c.successes = {}, 0, 0
  c.rampUntil, c.rampCredit, c.gateUntil, c.hintUntil = 0, 0, 0, 0
end

local function nextOpening()
  if c.state == "closed" and now - c.closedAt >= c.openMillis then return 1 end
  return c.openings + 1
end

local function opened(state, reason)
  c.generation = nextGeneration()
  c.state, c.reason, c.openedAt = state, reason, now
  if c.outage == 0 then c.outage, c.outageAt = c.generation, now end
  c.probes, c.issued, c.successes = {}, 0, 0
  c.rampUntil, c.rampCredit, c.hintUntil = 0, 0, 0
  c.latencyTripped = ""
end

local function claim(owner, leaseMillis)
  if c.state == "open" or c.state == "forced_open" then
    if c.openUntil == never or c.openUntil > now or c.gateUntil > now then return 0 end
    c.generation = nextGeneration()
    c.state, c.reason, c.openUntil = "half_open", "cooldown_elapsed", 0
  elseif c.state == "half_open" then
    if now < c.gateUntil then return 0 end
    local live = {}
    for _, probe in ipairs(c.probes) do
      if now < probe.leaseUntil then live[#live + 1] = probe end
    end
    if #live >= policy.probes then return 0 end
    c.probes = live
  else
    return 0
  end
  c.issued = c.issued + 1
  c.probes[#c.probes + 1] = { id = c.issued, leaseUntil = after(leaseMillis), owner = owner }
  return c.issued
end

-- Takes the probe out of the list; false if it is no longer there.
local function take(id, owner)
  for i, probe in ipairs(c.probes) do
    if probe.id == id and probe.owner == owner then
      table.remove(c.probes, i)
      return true
    end
  end
  return false
end

local function hint(verdict) return math.min(verdict.hintMillis, policy.maxHintMillis) end

-- A disabled circuit only counts the openings it would have made.
local function trip(verdict, reason)
  if c.state == "disabled" then
    c.failures, c.hintUntil, c.openings = 0, 0, c.openings + 1
    return
  end
  local openUntil = math.max(after(verdict.openMillis), now + hint(verdict), c.hintUntil, c.openUntil)
  local openings = nextOpening()
  opened("open", reason)
  if verdict.kind ~= "" then c.lastFailureKind = verdict.kind end
  if verdict.latencyTripped then c.latencyTripped = "1" end
  c.openMillis, c.openUntil, c.openings = openUntil - now, openUntil, openings
end

local function throttle(verdict)
  if c.state ~= "disabled" then c.gateUntil = math.max(c.gateUntil, now + hint(verdict)) end
end

local function settleCall(verdict)
  if verdict.outcome == "Throttled" then
    throttle(verdict)
  elseif verdict.outcome == "OpenNow" then
    trip(verdict, "open_now")
  elseif verdict.outcome == "Success" then
    if verdict.unhealthy then
      c.failures = 0
      trip(verdict, "threshold")
    elseif verdict.endsStreak and c.failures > 0 then
      c.failures, c.lastFailureKind, c.hintUntil = 0, "", 0
    end
  elseif verdict.outcome == "Failure" then
    c.failures = c.failures + 1
    c.hintUntil = math.max(c.hintUntil, now + hint(verdict))
    if verdict.unhealthy or (verdict.failureThreshold > 0 and c.failures >= verdict.failureThreshold) then
      trip(verdict, "threshold")
    else
      c.lastFailureKind = verdict.kind
    end
  end
end

local function close()
  local openMillis, openings, gateUntil = c.openMillis, c.openings, c.gateUntil
  initial("closed", "probe_succeeded")
  c.openMillis, c.openings, c.gateUntil, c.closedAt = openMillis, openings, gateUntil, now
  c.rampUntil = policy.rampMillis == 0 and 0 or now + policy.rampMillis
  c.rampCredit = policy.rampMillis
end

local function settleProbe(verdict)
  if verdict.outcome == "Throttled" then
    throttle(verdict)
  elseif verdict.outcome == "OpenNow" then
    trip(verdict, "open_now")
  elseif verdict.outcome == "Failure" or (verdict.outcome == "Success" and verdict.slow) then
    trip(verdict, "probe_failed")
  elseif verdict.outcome == "Success" then
    c.successes = c.successes + 1
    if c.successes >= policy.successesToClose then close() end
  end
end

local function force(untilMillis)
  local openUntil = math.max(c.openUntil, untilMillis)
  if c.state ~= "forced_open" then
    local openings = c.state == "disabled" and 0 or nextOpening() - 1
    opened("forced_open", "forced")
    c.openings = openings
  end
  c.openUntil = openUntil
end

-- Merges the circuit of a process that was degraded, or that knows a record which Redis lost. A circuit that is still
-- open wins over one that is not, and otherwise the later generation wins. Of two deadlines the later one survives.
local function holds(circuit)
  return (circuit.state == "open" or circuit.state == "forced_open") and circuit.openUntil > now
end
local function merge(other, takesBack)
  local newer = other.generation > c.generation
  if c.state == "disabled" and not newer then return end
  local stored = { held = c.held, note = c.note, actor = c.actor, forced = holds(c) and c.state == "forced_open" }
  local taken = newer
  if holds(c) ~= holds(other) and not (newer and other.state == "disabled") then taken = holds(other) end
  -- No process has moved the record: a circuit that is open or half-open in the degraded process stays so.
  if other.generation == c.generation and c.state == "closed" and (other.state == "open" or other.state == "half_open") then
    taken = true
  end
  -- An operator has reset in that process what it had merged a moment ago.
  if takesBack then taken = true end
  local fenced = taken ~= newer
  local generation = math.max(c.generation, other.generation)
  local openUntil = math.max(holds(c) and c.openUntil or 0, holds(other) and other.openUntil or 0)
  local gateUntil = math.max(c.gateUntil, other.gateUntil)
  other.revision = math.max(c.revision, other.revision)
  if taken then
    for name, value in pairs(other) do c[name] = value end
    if c.state == "half_open" then
      -- Open and due, because the process that ran the probe is unknown: the next caller claims a new one.
      c.state, c.openUntil, c.probes, c.issued, c.successes, fenced = "open", now, {}, 0, 0, true
    end
  end
  if c.state == "open" and stored.forced then
    c.state, c.reason, c.held, c.note, c.actor, fenced = "forced_open", "forced", stored.held, stored.note, stored.actor, true
  elseif c.state == "open" and holds(c) and other.state == "forced_open" and holds(other) then
    c.state, c.reason, c.held, c.note, c.actor, fenced = "forced_open", "forced", other.held, other.note, other.actor, true
  end
  if holds(c) then c.openUntil = openUntil end
  if c.state ~= "disabled" then c.gateUntil = gateUntil end
  c.generation = fenced and math.max(generation + 1, micros) or generation
end
`
