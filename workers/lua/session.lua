-- SESSION: what is remembered of a chat.
-- KEYS  session, history, events, those who want no news
-- ARGV  chat
-- Returns the fields of the session with their values, the remembered turns, what the customer did, and whether they
-- want to be told nothing that they did not ask for
return {
  redis.call('HGETALL', KEYS[1]), redis.call('LRANGE', KEYS[2], 0, -1), redis.call('LRANGE', KEYS[3], 0, -1),
  redis.call('SISMEMBER', KEYS[4], ARGV[1])
}
