-- TAKE: pop jobs from all queues in priority order and register them as running, in one step, in RQ's own layout.
-- A kill at any moment leaves a job either queued or in its started registry with a lease.
-- KEYS  queue, started registry, queue, started registry, ...
-- ARGV  RQ's prefix, lease, worker, time in RQ's format, the set of paused queues, an execution id for each job wanted
-- Returns {queue number from 0, job, execution, the job's hash, ...}; nothing while RQ's workers are suspended
local prefix, lease, worker = ARGV[1], tonumber(ARGV[2]), ARGV[3]
if redis.call('EXISTS', prefix .. ':suspended') == 1 then return {} end
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local taken, next_id = {}, 6
for i = 1, #KEYS, 2 do
  local is_paused = redis.call('SISMEMBER', ARGV[5], string.sub(KEYS[i], #prefix + #':queue:' + 1)) == 1
  while next_id <= #ARGV and not is_paused do
    local job = redis.call('LPOP', KEYS[i])
    if not job then break end
    local job_key = prefix .. ':job:' .. job
    -- What was deleted, cancelled, or is in the queue a second time is passed over.
    if redis.call('HGET', job_key, 'status') == 'queued' then
      local execution = ARGV[next_id]
      next_id = next_id + 1
      local member = job .. ':' .. execution
      redis.call('HSET', prefix .. ':execution:' .. member, 'id', execution, 'job_id', job,
        'created_at', now, 'last_heartbeat', now, 'worker_name', worker)
      redis.call('EXPIRE', prefix .. ':execution:' .. member, lease + 60)
      redis.call('ZADD', prefix .. ':executions:' .. job, math.floor(now) + lease + 60, execution)
      redis.call('EXPIRE', prefix .. ':executions:' .. job, lease + 60)
      redis.call('ZADD', KEYS[i + 1], now + lease, member)
      redis.call('SADD', prefix .. ':worker:' .. worker .. ':executions', member)
      redis.call('EXPIRE', prefix .. ':worker:' .. worker .. ':executions', lease + 60)
      redis.call('HSET', job_key, 'status', 'started', 'worker_name', worker,
        'started_at', ARGV[4], 'last_heartbeat', ARGV[4])
      redis.call('PERSIST', job_key)
      taken[#taken + 1] = (i - 1) / 2
      taken[#taken + 1] = job
      taken[#taken + 1] = execution
      taken[#taken + 1] = redis.call('HGETALL', job_key)
    end
  end
end
return taken
