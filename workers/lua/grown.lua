-- GROWN: what waits now in the inbox of a turn that is being answered.
-- KEYS  claim, inbox
-- ARGV  execution, turn
-- Returns the messages; nil if the turn is no longer this execution's
local claim = redis.call('HMGET', KEYS[1], 'execution', 'turn')
if claim[1] ~= ARGV[1] or claim[2] ~= ARGV[2] then return false end
return redis.call('LRANGE', KEYS[2], 0, -1)
