-- COMMIT: an execution hands in the reply to the messages it read. May be repeated after a lost reply.
-- KEYS  claim, inbox, waiting, history, session, outbox, outbox chats, stats, alerts
-- ARGV  execution, turn, chat, wake channel, outbox entry, remembered turn or "", turns kept,
--       seconds a session lives, products shown or "", counter, alert or "", alerts kept,
--       when they were shown, id read, ...
-- Returns one of
--   {"fenced"}                      the claim is another's, or was taken away: the reply is dropped
--   {"done"}                        handed in, now or before; nothing is left to answer
--   {"next", turn, message, ...}    handed in, now or before; these have arrived since
local execution, turn, chat = ARGV[1], ARGV[2], ARGV[3]

local claim = redis.call('HMGET', KEYS[1], 'execution', 'turn')
if claim[1] ~= execution then return {'fenced'} end

if claim[2] == turn then
  for i = 14, #ARGV do
    local head = redis.call('LINDEX', KEYS[2], 0)
    if head and cjson.decode(head)['id'] == ARGV[i] then redis.call('LPOP', KEYS[2]) end
  end
  redis.call('RPUSH', KEYS[6], ARGV[5])
  redis.call('SADD', KEYS[7], chat)
  redis.call('PUBLISH', ARGV[4], chat)
  if ARGV[6] ~= '' then
    redis.call('RPUSH', KEYS[4], ARGV[6])
    redis.call('LTRIM', KEYS[4], -tonumber(ARGV[7]), -1)
    redis.call('EXPIRE', KEYS[4], ARGV[8])
  end
  if ARGV[9] ~= '' then redis.call('HSET', KEYS[5], 'shown', ARGV[9], 'shown_at', ARGV[13]) end
  redis.call('EXPIRE', KEYS[5], ARGV[8])
  redis.call('HINCRBY', KEYS[8], ARGV[10], 1)
  if ARGV[11] ~= '' then
    redis.call('LPUSH', KEYS[9], ARGV[11])
    redis.call('LTRIM', KEYS[9], 0, tonumber(ARGV[12]) - 1)
  end
  turn = redis.call('HINCRBY', KEYS[1], 'turn', 1)
  redis.call('HSET', KEYS[1], 'attempts', 0)
else
  turn = tonumber(claim[2])
end

local left = redis.call('LRANGE', KEYS[2], 0, -1)
if #left == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], chat)
  return {'done'}
end
redis.call('ZADD', KEYS[3], math.floor(cjson.decode(left[1])['accepted_at'] * 1000), chat)
local reply = {'next', turn}
for _, message in ipairs(left) do reply[#reply + 1] = message end
return reply
