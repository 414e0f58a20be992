/**
 * The script that keeps records in Redis. A record is a hash: `r` is its revision, `g` its generation, `s` its state,
 * `w` its writer, and `c` with a name a counter. It knows nothing of circuits.
 */
import { script } from "./script.ts"

export const recordScript = script(`
local time = redis.call("TIME")
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = string.format("%.0f", math.floor(micros / 1000))
local largest = ${Number.MAX_SAFE_INTEGER}
local function whole(text)
  local n = tonumber(text)
  return n and n >= 0 and n < largest and n % 1 == 0 and n or 0
end
local function int(n) return string.format("%.0f", n) end
local function publish(id, revision, writer)
  -- Without an error, because a client that may not publish finds out by its beat, which does not arrive.
  redis.pcall("PUBLISH", ARGV[2], cjson.encode({ id, int(revision), writer }))
end

if ARGV[1] == "read" then
  local records = {}
  for i, key in ipairs(KEYS) do
    local record = redis.pcall("HGETALL", key)
    records[i] = record.err or record
  end
  return { now, records }
end
if ARGV[1] == "beat" then
  redis.call("ZADD", KEYS[1], tonumber(now) + tonumber(ARGV[5]), ARGV[3])
  redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", now)
  publish("", tonumber(ARGV[4]), ARGV[3])
  return { now }
end
if ARGV[1] == "presence" then return redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. now, "+inf") end

local key, change = KEYS[1], cjson.decode(ARGV[3])
local head = redis.call("HMGET", key, "r", "g")
local revision, generation = whole(head[1]), whole(head[2])
local applied = (change.guard == "revision" and revision or generation) == change.expected
if applied then
  if change.atLeast then generation = math.max(generation + 1, change.atLeast, micros) end
  -- First, because a server without memory refuses the first write of a script, and only that.
  redis.call("HSET", key, "g", int(generation))
  if change.atLeast then
    for _, field in ipairs(redis.call("HKEYS", key)) do
      if string.sub(field, 1, 1) == "c" then redis.call("HDEL", key, field) end
    end
  end
  for _, name in ipairs(change.remove) do redis.call("HDEL", key, "c" .. name) end
  for name, n in pairs(change.add) do
    -- A counter that is no number begins anew.
    if type(redis.pcall("HINCRBY", key, "c" .. name, n)) == "table" then redis.call("HSET", key, "c" .. name, n) end
  end
  if change.set then
    revision = math.max(revision + 1, micros)
    redis.call("HSET", key, "r", int(revision), "s", change.set, "w", change.writer)
  end
  if change.expires then redis.call("PEXPIRE", key, change.expires) else redis.call("PERSIST", key) end
  if change.announce then publish(change.id, revision, change.writer) end
end
return { now, redis.call("HGETALL", key), applied and "1" or "0" }
`)
