-- DRAFT: show a growing answer, but only while the turn is still this execution's.
-- KEYS  claim
-- ARGV  execution, turn, channel, draft
local claim = redis.call('HMGET', KEYS[1], 'execution', 'turn')
if claim[1] == ARGV[1] and claim[2] == ARGV[2] then
  redis.call('PUBLISH', ARGV[3], ARGV[4])
  return 1
end
return 0
