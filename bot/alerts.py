"""What an admin should know: a bounded list in Redis, newest first, with neither chats nor texts in it."""

import json
import time
from datetime import UTC, datetime

from redis.asyncio import Redis

from workers.channel import ALERTS_KEPT, Names


class Alerts:
    """The alerts of one bot. Delivery writes its own together with the outcome they are about."""

    def __init__(self, redis: Redis, names: Names) -> None:
        self._redis = redis
        self._names = names

    async def add(self, counter: str, **details: str | int | None) -> None:
        """Count an event and put it before the admins."""
        alert = json.dumps({"at": int(time.time()), **details})
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hincrby(self._names.stats, counter)
            pipe.lpush(self._names.alerts, alert)
            pipe.ltrim(self._names.alerts, 0, ALERTS_KEPT - 1)
            await pipe.execute()

    async def newest(self, count: int) -> list[dict[str, str | int | float]]:
        """The newest alerts as they were written: `at` in seconds, mostly a `kind`, and details."""
        return [json.loads(raw) for raw in await self._redis.lrange(self._names.alerts, 0, count - 1)]

    async def latest(self, count: int) -> list[str]:
        """The newest alerts, one line each."""
        lines = []
        for alert in await self.newest(count):
            at = datetime.fromtimestamp(float(alert.pop("at", 0)), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            details = (str(value) for value in alert.values() if value not in (None, ""))
            lines.append(" · ".join((at, *details)))
        return lines
