-- SWEEP: find chats that wait although nobody will come: no living holder, and no job queued or running.
-- KEYS  waiting, then every queue, then every started registry
-- ARGV  number of queues, prefix of a chat's keys, RQ's prefix, latest time of acceptance (ms), chats looked at
-- Returns the ids of stranded chats; the caller enqueues a job for each. One job too many does no harm.
local queues = tonumber(ARGV[1])

local function lives(member)
  for i = queues + 2, #KEYS do
    if redis.call('ZSCORE', KEYS[i], member) then return true end
  end
  return false
end

local function will_come(job)
  local status = redis.call('HGET', ARGV[3] .. ':job:' .. job, 'status')
  if status == 'started' then
    for _, execution in ipairs(redis.call('ZRANGE', ARGV[3] .. ':executions:' .. job, 0, -1)) do
      if lives(job .. ':' .. execution) then return true end
    end
  elseif status == 'queued' then
    for i = 2, queues + 1 do
      if redis.call('LPOS', KEYS[i], job) then return true end
    end
  end
  return false
end

local stranded = {}
for _, chat in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[4], 'LIMIT', 0, ARGV[5])) do
  local prefix = ARGV[2] .. chat
  local holder = redis.call('HGET', prefix .. ':claim', 'execution')
  local job = redis.call('GET', prefix .. ':job')
  if not (holder and lives(holder)) and not (job and will_come(job)) then
    if redis.call('LLEN', prefix .. ':inbox') == 0 then
      redis.call('ZREM', KEYS[1], chat)
    else
      stranded[#stranded + 1] = chat
    end
  end
end
return stranded
