-- FINISH: may this execution's end be recorded? Only while it has its lease; then the lease is prolonged, so that
-- it cannot be lost while RQ records the end.
-- KEYS  started registry
-- ARGV  job:execution, lease
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local clock = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', tonumber(clock[1]) + tonumber(clock[2]) / 1000000 + tonumber(ARGV[2]), ARGV[1])
return 1
