"""Figures of the running system, for /queues, /stats and the dashboard. Reads only; knows no torch and no Telegram.

Registries are counted without RQ's clean-up: that runs callbacks under a signal, which only a main thread may use.
"""

import asyncio
import time

import redis
import rq

from workers.channel import WORKER_PREFIX, Names
from workers.contracts import Contract
from workers.settings import QUEUES


class QueueFigures(Contract):
    """One RQ queue."""

    name: str
    depth: int
    in_flight: int
    failed: int


class WorkerFigures(Contract):
    """One worker, as it last reported itself."""

    name: str
    slots: int
    in_flight: int
    fill: float
    """Share of its slots that was busy since the report before."""
    jobs: int
    """Jobs that came to their end since it started."""
    steps_per_second: float
    model: str
    engine: dict[str, float] = {}
    """What the model's engine counts, by name: seconds end in `_seconds`, shares are from 0 to 1."""


class Overview(Contract):
    """Everything at a moment."""

    queues: tuple[QueueFigures, ...]
    workers: tuple[WorkerFigures, ...]
    waiting_chats: int
    oldest_wait: float
    """Seconds that the first customer in the queue has waited."""
    stats: dict[str, int]

    @property
    def depth(self) -> int:
        """Jobs in all queues."""
        return sum(queue.depth for queue in self.queues)

    @property
    def in_flight(self) -> int:
        """Jobs that run now."""
        return sum(queue.in_flight for queue in self.queues)

    @property
    def failed(self) -> int:
        """Jobs that failed for good and can still be looked at."""
        return sum(queue.failed for queue in self.queues)

    @property
    def slots(self) -> int:
        """Places of all workers."""
        return sum(worker.slots for worker in self.workers)


class Operations:
    """Looks at the queues and workers of one bot."""

    def __init__(self, connection: redis.Redis, bot_id: int) -> None:
        self._redis = connection
        self._names = Names(bot_id)

    def overview(self) -> Overview:
        """Look at everything now."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zcard(self._names.waiting)
            pipe.zrange(self._names.waiting, 0, 0, withscores=True)
            pipe.hgetall(self._names.stats)
            waiting, oldest, stats = pipe.execute()
        return Overview(
            queues=tuple(self._queue(name) for name in QUEUES),
            workers=tuple(self._workers()),
            waiting_chats=waiting,
            oldest_wait=max(0.0, time.time() - oldest[0][1] / 1000) if oldest else 0.0,
            stats={name.decode(): int(value) for name, value in stats.items()},
        )

    async def overview_async(self) -> Overview:
        """The same beside an event loop."""
        return await asyncio.to_thread(self.overview)

    def _queue(self, name: str) -> QueueFigures:
        queue = rq.Queue(name, connection=self._redis, serializer="json")
        return QueueFigures(
            name=name,
            depth=queue.count,
            in_flight=queue.started_job_registry.get_job_count(cleanup=False),
            failed=queue.failed_job_registry.get_job_count(cleanup=False),
        )

    def _workers(self) -> list[WorkerFigures]:
        keys = sorted(self._redis.scan_iter(match=f"{WORKER_PREFIX}*", count=1000))
        rows = self._redis.mget(keys) if keys else []
        return [WorkerFigures.read(row) for row in rows if row]
