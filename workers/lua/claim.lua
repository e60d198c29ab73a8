-- CLAIM: an execution asks to answer a chat.
-- KEYS  claim, inbox, waiting, session, then every started registry
-- ARGV  execution, job, chat, and attempts from which the turn may only be taken by who runs it alone, or "",
--       stats
-- Returns {"claimed", turn, attempts, message, ...}, or one word:
--   stale   the execution has lost its lease: a newer one has the job
--   person  a person has the conversation
--   held    another living execution answers the chat; it will see the inbox
--   empty   nothing to answer
--   suspect so many executions have begun this turn and not ended it that it may be what ended them; nothing is written
local execution, job, chat = ARGV[1], ARGV[2], ARGV[3]

local function lives(member)
  for i = 5, #KEYS do
    if redis.call('ZSCORE', KEYS[i], member) then return true end
  end
  return false
end

if not lives(execution) then return {'stale'} end
if redis.call('HGET', KEYS[4], 'owner') == 'person' then
  redis.call('DEL', KEYS[1])
  return {'person'}
end
local holder = redis.call('HGET', KEYS[1], 'execution')
if holder and holder ~= execution and lives(holder) then return {'held'} end
-- What is no record at all is nobody's message, and whoever reads it would fail on it for ever.
for _, raw in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local is_json, message = pcall(cjson.decode, raw)
  local id = is_json and type(message) == 'table' and message.id
  if type(id) ~= 'string' or #id > 64 or not string.match(id, '^[%w_-]+$') then
    redis.call('LREM', KEYS[2], 1, raw)
    redis.call('HINCRBY', ARGV[5], 'garbage', 1)
  end
end
if redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], chat)
  return {'empty'}
end
if holder ~= execution then
  local begun = tonumber(redis.call('HGET', KEYS[1], 'attempts') or 0)
  if ARGV[4] ~= '' and begun >= tonumber(ARGV[4]) then return {'suspect'} end
  redis.call('HSET', KEYS[1], 'execution', execution, 'job', job)
  redis.call('HSETNX', KEYS[1], 'turn', 0)
  redis.call('HINCRBY', KEYS[1], 'attempts', 1)
end
local reply = {'claimed', redis.call('HGET', KEYS[1], 'turn'), redis.call('HGET', KEYS[1], 'attempts')}
for _, message in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do reply[#reply + 1] = message end
return reply
