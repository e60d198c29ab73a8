-- SESSION: what is remembered of a chat.
-- KEYS  session, history, events
-- Returns the fields of the session with their values, the remembered turns, and what the customer did
return {redis.call('HGETALL', KEYS[1]), redis.call('LRANGE', KEYS[2], 0, -1), redis.call('LRANGE', KEYS[3], 0, -1)}
