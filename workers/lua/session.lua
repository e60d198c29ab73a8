-- SESSION: what is remembered of a chat.
-- KEYS  session, history
-- Returns the fields of the session with their values, and the remembered turns
return {redis.call('HGETALL', KEYS[1]), redis.call('LRANGE', KEYS[2], 0, -1)}
