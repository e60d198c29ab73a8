"""One process alone polls Telegram for a bot: a second `kefu bot` with the same token would take half of its updates.

A short lease in Redis, renewed every second. Who finds it renewed by somebody else ends with one clear line; who finds
one that nobody renews, left by a killed process, waits until it is over. Webhooks need none of this.
"""

import asyncio
import os
import secrets
import socket

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.errors import StartError
from bot.persistence import until_answered
from workers.channel import Names

LEASE_SECONDS = 4.0
_BEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.2

_HOLD = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return held end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return ''
"""
_RELEASE = """
local held = redis.call('GET', KEYS[1])
if held and string.sub(held, 1, #ARGV[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class Sole:
    """This process's hold on the bot. Its clock does not matter, only that the others' leases change."""

    def __init__(self, redis: Redis, names: Names) -> None:
        self._key = names.poller
        self._token = secrets.token_hex(8)
        self._who = f"process {os.getpid()} on {socket.gethostname()}"
        self._beat = 0
        self._hold = redis.register_script(_HOLD)
        self._release = redis.register_script(_RELEASE)

    async def take(self) -> None:
        """Return when the bot is this process's alone. Raises StartError if another one is at work."""
        first = await self._try()
        held = first
        while held:
            if held != first:
                raise StartError(_refusal(held))
            await asyncio.sleep(_LOOK_SECONDS)
            held = await self._try()

    async def keep(self) -> None:
        """Renew the hold until cancelled. Raises StartError if another process has taken it meanwhile."""
        try:
            while True:
                await asyncio.sleep(_BEAT_SECONDS)
                if held := await self._try():
                    raise StartError(_refusal(held))
        finally:
            await self._let_go()

    async def _try(self) -> str:
        """Take or renew the hold; who has it instead, if somebody has."""
        self._beat += 1
        arguments: list[str | int] = [self._token, f"{self._beat} {self._who}", int(1000 * LEASE_SECONDS)]
        return str(await until_answered(lambda: self._hold(keys=[self._key], args=arguments)))

    async def _let_go(self) -> None:
        try:
            await self._release(keys=[self._key], args=[self._token])
        except RedisError:
            return  # the lease ends by itself


def _refusal(held: str) -> str:
    _, _, who = held.split(" ", 2)
    return (
        f"another `kefu bot` runs with this token ({who}). Stop it first, give this one a token of its own,"
        " or set KEFU_WEBHOOK_URL, with which several can run side by side."
    )
