/** How a circuit lies in its hash: one field for each of `Circuit`, and a few that only a store needs. */

export const version = 1

/** Whole numbers from 0. Every reply has them in this order, after the texts. */
export const numbers = [
  "revision",
  "generation",
  "failures",
  "openedAt",
  "openMillis",
  "openUntil",
  "openings",
  "closedAt",
  "outage",
  "outageAt",
  "issued",
  "successes",
  "rampUntil",
  "rampCredit",
  "gateUntil",
  "hintUntil"
] as const

/**
 * `latencyTripped` says that only slow calls led to this opening, `held` that an operator's hold led to this outage;
 * `note` and `actor` are the operator's words.
 */
export const texts = [
  "state",
  "reason",
  "lastFailureKind",
  "latencyTripped",
  "probes",
  "held",
  "note",
  "actor"
] as const

const list = (names: ReadonlyArray<string>) => names.map((name) => `"${name}"`).join(", ")

/** Arguments, clock, the record as `c`; `corrupt` and `mismatch` say what was found wrong with it. */
export const lua = `
local largest = ${Number.MAX_SAFE_INTEGER}
local never = largest

local function whole(text)
  local n = tonumber(text)
  if n == nil or n ~= n or n < 0 or n > largest or n % 1 ~= 0 then return nil end
  return n
end
local function int(n) return string.format("%.0f", n) end

local now, micros = whole(ARGV[2]), nil
if now then
  micros = now * 1000
else
  local time = redis.call("TIME")
  micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
  now = math.floor(micros / 1000)
end

local function after(millis) return math.min(now + millis, never - 1) end

local numbers = { ${list(numbers)} }
local texts = { ${list(texts)} }
local fields = { "version", "expireAt", "policy", "health" }
for _, name in ipairs(texts) do fields[#fields + 1] = name end
for _, name in ipairs(numbers) do fields[#fields + 1] = name end

local loaded = redis.pcall("HMGET", KEYS[1], unpack(fields))
if loaded.err then return loaded end

local present = false
for i = 1, #fields do present = present or loaded[i] ~= false end
local corrupt = present and not whole(loaded[1])
if present and not corrupt and tonumber(loaded[1]) > ${version} then return { "newer", int(now) } end

local c = {}
for i, name in ipairs(fields) do
  c[name] = loaded[i] or ""
  if present and not loaded[i] then corrupt = true end
end
numbers[#numbers + 1] = "expireAt"
local endless = { openUntil = true, expireAt = true }
for _, name in ipairs(numbers) do
  local n = whole(c[name])
  -- Nothing else comes near the end of the numbers, and what counts on must have where to go.
  if n and n > largest - 2 ^ 32 and not endless[name] then n = nil end
  if n == nil and present then corrupt = true end
  c[name] = n or 0
end
numbers[#numbers] = nil

local states = { closed = true, open = true, half_open = true, forced_open = true, disabled = true }
if not states[c.state] then
  corrupt = corrupt or present
  c.state, c.reason = "closed", "initial"
end
local written = c.probes
c.probes = {}
for id, leaseUntil, owner in string.gmatch(written, "(%d+):(%d+):(%w+);") do
  if whole(id) and whole(leaseUntil) then
    c.probes[#c.probes + 1] = { id = whole(id), leaseUntil = whole(leaseUntil), owner = owner }
  end
end
local function probesText()
  local parts = {}
  for i, probe in ipairs(c.probes) do parts[i] = int(probe.id) .. ":" .. int(probe.leaseUntil) .. ":" .. probe.owner .. ";" end
  return table.concat(parts)
end
if probesText() ~= written then corrupt = true end

local policy = cjson.decode(ARGV[7])
local mismatch = present and c.policy ~= "" and c.policy ~= policy.fingerprint
`

/** Writes the record if it changed, tells the other processes unless it was mere counting, and replies. */
export const luaReply = `
local rendered
local function record()
  if rendered then return rendered end
  local reply = {}
  for i, name in ipairs(texts) do reply[i] = name == "probes" and probesText() or c[name] end
  for _, name in ipairs(numbers) do reply[#reply + 1] = int(c[name]) end
  rendered = reply
  return reply
end

-- A record outlives its deadlines by the idle time, and an operator's decision without an end for good.
local function expiry()
  if c.state == "disabled" or c.openUntil == never then return never end
  local latest = math.max(now, c.openUntil, c.gateUntil, c.rampUntil)
  for _, probe in ipairs(c.probes) do latest = math.max(latest, probe.leaseUntil) end
  return math.min(latest + math.max(tonumber(ARGV[6]), policy.windowMillis, c.state == "closed" and 0 or 60000), never - 1)
end

local before = {
  state = c.state, generation = c.generation, gateUntil = c.gateUntil, openings = c.openings, streak = c.failures > 0
}

local function counting()
  return (c.state == "closed" or c.state == "disabled") and c.generation == before.generation
    and c.gateUntil == before.gateUntil and c.openings == before.openings and (c.failures > 0) == before.streak
end

local function save()
  local expireAt = expiry()
  if c.generation == before.generation then expireAt = math.max(expireAt, c.expireAt) end
  c.expireAt, c.revision, c.policy = expireAt, math.max(c.revision + 1, micros), policy.fingerprint
  local reply = record()
  local values, written = { "${version}", int(expireAt), c.policy, healthText(), unpack(reply) }, {}
  for i, name in ipairs(fields) do
    if values[i] ~= loaded[i] then
      written[#written + 1] = name
      written[#written + 1] = values[i]
    end
  end
  redis.call("HSET", KEYS[1], unpack(written))
  if expireAt == never then redis.call("PERSIST", KEYS[1]) else redis.call("PEXPIREAT", KEYS[1], int(expireAt)) end
  if counting() then return end
  -- Ignores an error, because a client that may not publish notices it by its pulse, which does not arrive.
  redis.pcall("PUBLISH", ARGV[5], cjson.encode({ ARGV[4], owner, int(now), unpack(reply) }))
end

local function answer(status, ...)
  local reply = { status, int(now), corrupt and "1" or "0", mismatch and "1" or "0", int(failureThreshold()), failureRate() }
  for _, value in ipairs(record()) do reply[#reply + 1] = value end
  for _, value in ipairs({ ... }) do reply[#reply + 1] = value end
  return reply
end
`
