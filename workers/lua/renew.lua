-- RENEW: prolong the leases of running executions. One that lost its lease is never brought back.
-- KEYS  the started registry of each execution
-- ARGV  RQ's prefix, lease, worker, then for each execution: job, execution
-- Returns for each execution "lost" or the status of its job ("" if that is gone)
local prefix, lease, worker = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local reply = {}
for i = 1, #KEYS do
  local job, execution = ARGV[2 + 2 * i], ARGV[3 + 2 * i]
  local member = job .. ':' .. execution
  if redis.call('ZSCORE', KEYS[i], member) then
    redis.call('ZADD', KEYS[i], 'XX', now + lease, member)
    local key = prefix .. ':execution:' .. member
    redis.call('HSET', key, 'id', execution, 'job_id', job, 'last_heartbeat', now, 'worker_name', worker)
    redis.call('HSETNX', key, 'created_at', now)
    redis.call('EXPIRE', key, lease + 60)
    redis.call('ZADD', prefix .. ':executions:' .. job, math.floor(now) + lease + 60, execution)
    redis.call('EXPIRE', prefix .. ':executions:' .. job, lease + 60)
    reply[i] = redis.call('HGET', prefix .. ':job:' .. job, 'status') or ''
  else
    reply[i] = 'lost'
  end
end
return reply
