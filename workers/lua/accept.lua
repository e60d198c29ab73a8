-- ACCEPT: take a customer's message in, once per update, with an RQ job in RQ's own layout.
-- KEYS  seen, session, inbox, waiting, recent, stats, bots, the chat's job, RQ's queues, queue, job, audience,
--       events
-- ARGV  chat, message, time of acceptance (ms), chats that may wait, messages of one chat that may wait, messages of
--       one chat in a while or 0 for any number, seconds of that while, seconds that a marker lives, bot, job id,
--       work channel, what the customer did or '', events that are kept, seconds that they are, then fields and
--       values of the job
-- Returns what became of the message. "full" and "too_many" write nothing.
local seen, session, inbox, waiting, recent, stats, bots, last_job, queues, queue, job, audience, events = unpack(KEYS)
local chat, message, at, queue_limit, chat_limit, customer_limit = unpack(ARGV, 1, 6)
local recent_seconds, seen_seconds, bot, job_id, work = unpack(ARGV, 7, 11)
local event, events_kept, events_seconds = unpack(ARGV, 12, 14)
chat_limit, customer_limit = tonumber(chat_limit), tonumber(customer_limit)

local function note_event()
  if event == '' then return end
  redis.call('RPUSH', events, event)
  redis.call('LTRIM', events, -events_kept, -1)
  redis.call('EXPIRE', events, events_seconds)
end

if redis.call('EXISTS', seen) == 1 then
  redis.call('HINCRBY', stats, 'duplicates', 1)
  return 'duplicate'
end
local with_person = redis.call('HGET', session, 'owner') == 'person'
if not with_person then
  local written = tonumber(redis.call('GET', recent) or 0)
  if customer_limit > 0 and written == customer_limit then return 'too_many' end
  local is_ignored = customer_limit > 0 and written > customer_limit
  if not is_ignored then
    if redis.call('LLEN', inbox) >= chat_limit then return 'too_many' end
    if redis.call('ZCARD', waiting) >= tonumber(queue_limit) and not redis.call('ZSCORE', waiting, chat) then
      return 'full'
    end
  end
  if customer_limit > 0 then
    redis.call('SET', recent, 0, 'EX', recent_seconds, 'NX')
    redis.call('INCR', recent)
  end
  if is_ignored then
    redis.call('HINCRBY', stats, 'too_many', 1)
    redis.call('SET', seen, 1, 'EX', seen_seconds)
    note_event()
    return 'ignored'
  end
end
redis.call('SET', seen, 1, 'EX', seen_seconds)
redis.call('RPUSH', inbox, message)
note_event()
redis.call('HINCRBY', stats, 'accepted', 1)
if tonumber(chat) > 0 then redis.call('ZADD', audience, math.floor(at / 1000), chat) end
if with_person then
  redis.call('LTRIM', inbox, -chat_limit, -1)
  return 'with_person'
end
redis.call('ZADD', waiting, 'NX', at, chat)
redis.call('HSET', job, unpack(ARGV, 15))
redis.call('SADD', queues, queue)
redis.call('RPUSH', queue, job_id)
redis.call('SET', last_job, job_id, 'EX', seen_seconds)
redis.call('SADD', bots, bot)
redis.call('PUBLISH', work, queue)
return 'accepted'
