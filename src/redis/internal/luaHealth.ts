/**
 * `health.ts`, `window.ts` and `adaptive.ts` in Lua. A window keeps its calls in slots, at most 64 and one more, so
 * that a report costs the same whatever its size. A window of up to 64 calls or milliseconds is exact; a longer one
 * forgets by slots.
 */
export const slots = 64

export const lua = `
-- Health as text: the policy that it belongs to, and after a bar one part for each criterion that has a window.
local parts = {}
local function emptyPart(criterion)
  if criterion._tag == "Adaptive" then return { rate = 0, evidence = 0, recordedAt = 0, zone = "middle" } end
  return { slots = {}, calls = 0, marked = 0 }
end
local function remembersPart(criterion) return criterion._tag ~= "Consecutive" end
local function readPart(criterion, text)
  local part = emptyPart(criterion)
  if criterion._tag == "Adaptive" then
    local rate, evidence, recordedAt, zone, recovery = string.match(text, "^([%d.e+-]+),(%d+),(%d+),(%l+),(%d*)$")
    part.rate, part.evidence, part.recordedAt = tonumber(rate), whole(evidence), whole(recordedAt)
    part.zone, part.recovery = zone, whole(recovery)
    if not (part.rate and part.rate >= 0 and part.rate <= 1000000 and part.evidence and part.recordedAt) then return nil end
    return part
  end
  if string.gsub(text, "%d+,%d+,%d+;", "") ~= "" then return nil end
  for at, calls, marked in string.gmatch(text, "(%d+),(%d+),(%d+);") do
    local slot = { whole(at), whole(calls), whole(marked) }
    if not (slot[1] and slot[2] and slot[3]) or slot[3] > slot[2] then return nil end
    part.slots[#part.slots + 1] = slot
    part.calls, part.marked = part.calls + slot[2], part.marked + slot[3]
  end
  return part
end
local function writePart(criterion, part)
  if criterion._tag == "Adaptive" then
    local recovery = part.recovery and int(part.recovery) or ""
    return string.format("%.17g", part.rate) .. "," .. int(part.evidence) .. "," .. int(part.recordedAt) .. "," .. part.zone .. "," .. recovery
  end
  local written = {}
  for i, slot in ipairs(part.slots) do written[i] = int(slot[1]) .. "," .. int(slot[2]) .. "," .. int(slot[3]) .. ";" end
  return table.concat(written)
end

local function readHealth()
  local texts = {}
  for text in string.gmatch(c.health .. "|", "([^|]*)|") do texts[#texts + 1] = text end
  local same, at = texts[1] == policy.fingerprint, 1
  for i, criterion in ipairs(policy.criteria) do
    if remembersPart(criterion) then
      at = at + 1
      local part = same and texts[at] and readPart(criterion, texts[at])
      if same and not part then corrupt = true end
      parts[i] = part or emptyPart(criterion)
    end
  end
end
local function healthText()
  local written = { policy.fingerprint }
  for i, criterion in ipairs(policy.criteria) do
    if parts[i] then written[#written + 1] = writePart(criterion, parts[i]) end
  end
  return #written == 1 and "" or table.concat(written, "|")
end
readHealth()

local slowerThanMillis = math.huge
for _, criterion in ipairs(policy.criteria) do
  slowerThanMillis = math.min(slowerThanMillis, criterion.slowerThanMillis or math.huge)
end

-- Forgets what has left the window: slots that are too old, or calls beyond its number. Calls that are not marked leave
-- one by one, a slot with a marked one leaves as a whole.
local function expire(criterion, part)
  local first = part.slots[1]
  while first do
    local gone = 0
    if criterion.windowMillis then
      if now - first[1] >= criterion.windowMillis then gone = first[2] end
    else
      local excess = math.max(0, part.calls - criterion.windowCalls)
      if first[3] == 0 then gone = math.min(first[2], excess) elseif excess >= first[2] then gone = first[2] end
    end
    if gone == 0 then return end
    part.calls, first[2] = part.calls - gone, first[2] - gone
    if first[2] > 0 then return end
    part.marked = part.marked - first[3]
    table.remove(part.slots, 1)
    first = part.slots[1]
  end
end

local function recordWindow(criterion, part, calls, marked)
  expire(criterion, part)
  local at, room = 0, math.huge
  if criterion.windowMillis then
    at = now - now % math.ceil(criterion.windowMillis / ${slots})
  else
    room = math.ceil(criterion.windowCalls / ${slots})
    calls = math.min(calls, criterion.windowCalls + room)
  end
  while calls > 0 do
    local last = part.slots[#part.slots]
    -- Calls in a row that are not marked share a slot, however many.
    if not last or last[1] ~= at or (last[2] >= room and last[3] + marked > 0) then
      last = { at, 0, 0 }
      part.slots[#part.slots + 1] = last
    end
    local taken = last[3] + marked > 0 and math.min(calls, room - last[2]) or calls
    last[2], last[3] = last[2] + taken, last[3] + marked
    part.calls, part.marked, calls, marked = part.calls + taken, part.marked + marked, calls - taken, 0
  end
  expire(criterion, part)
end

local function zoneOf(criterion, part)
  if part.rate >= criterion.highPpm or (part.zone == "tight" and part.rate >= criterion.highPpm - criterion.hysteresisPpm) then
    return "tight"
  end
  if part.rate <= criterion.lowPpm or (part.zone == "loose" and part.rate <= criterion.lowPpm + criterion.hysteresisPpm) then
    return "loose"
  end
  return "middle"
end
local function learn(criterion, part, failed)
  local elapsed = math.max(0, now - part.recordedAt)
  part.recordedAt = now
  part.evidence = math.floor(part.evidence * 0.5 ^ (elapsed / criterion.halfLifeMillis) + 0.5) + 1000
  part.rate = ((1000000 - criterion.alphaPpm) * part.rate + (failed and criterion.alphaPpm * 1000000 or 0)) / 1000000
  part.zone = zoneOf(criterion, part)
end
local function learnt(criterion, part)
  local evident = part.evidence >= criterion.minimumSamples * 1000
  local picked = criterion.failures
  if evident and part.zone == "tight" then picked = math.floor(criterion.failures / 2) end
  if evident and part.zone == "loose" then picked = 2 * criterion.failures end
  return math.max(1, criterion.minimumFailures, math.min(criterion.maximumFailures, picked))
end

local function reached(criterion, part)
  return part.calls >= criterion.minimumCalls and part.marked * 1000000 >= criterion.thresholdPpm * part.calls
end
local function anyReached(tag)
  for i, criterion in ipairs(policy.criteria) do
    if criterion._tag == tag and reached(criterion, parts[i]) then return true end
  end
  return false
end

-- Records calls in the windows: some that are not marked, or one that may be, as failed or slow. True if a window, with
-- these calls in it, opens the circuit.
local function recordCalls(calls, failed, durationMillis)
  for i, criterion in ipairs(policy.criteria) do
    if criterion._tag == "FailureRate" then
      recordWindow(criterion, parts[i], calls, failed and 1 or 0)
    elseif criterion._tag == "SlowCallRate" then
      recordWindow(criterion, parts[i], calls, durationMillis > criterion.slowerThanMillis and 1 or 0)
    elseif criterion._tag == "Adaptive" then
      for _ = 1, math.min(calls, 10000) do learn(criterion, parts[i], failed) end
    end
  end
  return anyReached("FailureRate") or anyReached("SlowCallRate")
end
local function slowness() return anyReached("SlowCallRate") and not anyReached("FailureRate") end

local function failureThreshold()
  local threshold = math.huge
  for i, criterion in ipairs(policy.criteria) do
    if criterion._tag == "Consecutive" then threshold = math.min(threshold, criterion.failures) end
    if criterion._tag == "Adaptive" then threshold = math.min(threshold, learnt(criterion, parts[i])) end
  end
  return threshold == math.huge and 0 or threshold
end

local function firstPart(tag)
  for i, criterion in ipairs(policy.criteria) do
    if criterion._tag == tag then return criterion, parts[i] end
  end
end
local function failureRate()
  local criterion, part = firstPart("FailureRate")
  if criterion then
    expire(criterion, part)
    if part.calls < criterion.minimumCalls then return "" end
    return int(math.floor(part.marked * 1000000 / part.calls + 0.5))
  end
  criterion, part = firstPart("Adaptive")
  return part and int(math.floor(part.rate + 0.5)) or ""
end

local function openMillis(step, first)
  local criterion, part = firstPart("Adaptive")
  if not criterion then return step end
  local minimum = criterion.minimumOpenMillis or math.min(first / 10, criterion.maximumOpenMillis or first)
  local maximum = criterion.maximumOpenMillis or math.max(first * 10, minimum)
  local scaled = math.min(maximum, math.max(minimum, part.recovery or first)) * step / first
  return math.max(1, math.floor(scaled + 0.5))
end

local function recovered(outageMillis)
  for i, criterion in ipairs(policy.criteria) do
    if criterion._tag == "Adaptive" then
      local part, weight = parts[i], criterion.recoveryWeightPpm
      part.recovery = part.recovery
        and math.floor(((1000000 - weight) * part.recovery + weight * outageMillis) / 1000000 + 0.5) or outageMillis
    end
  end
end

local function clearHealth(everything)
  for i, criterion in ipairs(policy.criteria) do
    local part = parts[i]
    if part and criterion._tag ~= "Adaptive" then parts[i] = emptyPart(criterion) end
    if part and criterion._tag == "Adaptive" and everything then
      part.rate, part.evidence, part.zone = 0, 0, "middle"
    end
  end
end
`
