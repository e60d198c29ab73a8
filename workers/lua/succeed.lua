-- SUCCEED: an execution has ended well and its job leaves nothing behind. One step in place of RQ's own forty commands.
-- KEYS  started registry, worker, job, then every other key of the job; the first of those is its dependents
-- ARGV  RQ's prefix, worker, job, execution, seconds that it took
-- Returns 1 if it is recorded, 0 if the execution had lost its lease,
--   -1 if RQ must do it: other jobs wait for this one, or somebody has changed its status. Nothing is written then.
local prefix, worker, job, execution = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local member = job .. ':' .. execution
if not redis.call('ZSCORE', KEYS[1], member) then return 0 end
if redis.call('HGET', KEYS[3], 'status') ~= 'started' or redis.call('EXISTS', KEYS[4]) == 1 then return -1 end
local executions = prefix .. ':executions:' .. job
local gone = {executions, unpack(KEYS, 3)}
for _, known in ipairs(redis.call('ZRANGE', executions, 0, -1)) do
  redis.call('ZREM', KEYS[1], job .. ':' .. known)
  gone[#gone + 1] = prefix .. ':execution:' .. job .. ':' .. known
end
redis.call('ZREM', KEYS[1], member)
redis.call('DEL', prefix .. ':execution:' .. member, unpack(gone))
redis.call('SREM', prefix .. ':worker:' .. worker .. ':executions', member)
redis.call('HINCRBY', KEYS[2], 'successful_job_count', 1)
redis.call('HINCRBYFLOAT', KEYS[2], 'total_working_time', ARGV[5])
return 1
