-- GIVE BACK: end an execution without a result. Its job goes back to the front of its queue, unless it was cancelled.
-- KEYS  queue, started registry
-- ARGV  RQ's prefix, worker, job, execution, channel that wakes workers
-- Returns 1 if the job was put back, 0 if not, -1 if the execution had lost its lease
local prefix, worker, job, execution = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local member = job .. ':' .. execution
redis.call('SREM', prefix .. ':worker:' .. worker .. ':executions', member)
redis.call('DEL', prefix .. ':execution:' .. member)
redis.call('ZREM', prefix .. ':executions:' .. job, execution)
if redis.call('ZREM', KEYS[2], member) == 0 then return -1 end
local job_key = prefix .. ':job:' .. job
if redis.call('HGET', job_key, 'status') ~= 'started' then return 0 end
redis.call('HSET', job_key, 'status', 'queued')
redis.call('LPUSH', KEYS[1], job)
redis.call('PUBLISH', ARGV[5], job)
return 1
