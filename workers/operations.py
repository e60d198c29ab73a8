"""Figures of the running system, and the few things that an admin may do to its queues.

Knows no torch and no Telegram. Registries are counted without RQ's clean-up: that runs callbacks under a signal,
which only a main thread may use.
"""

import asyncio
import time
from typing import Literal

import redis
import rq
from redis.client import Pipeline
from rq.job import Job
from rq.suspension import WORKERS_SUSPENDED
from rq.worker.base import BaseWorker

from workers.channel import ACTS_KEPT, PAUSED, WORKER_PREFIX, Names
from workers.contracts import Contract
from workers.leases import WAKE_ALL
from workers.settings import QUEUES

Act = Literal["pause", "resume", "requeue"]

_JOBS_AT_ONCE = 500


class QueueFigures(Contract):
    """One RQ queue."""

    name: str
    depth: int
    in_flight: int
    failed: int
    paused: bool = False
    """No worker takes its jobs until an admin resumes it."""


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
    is_delivered: bool = True
    """Whether a bot leads the delivery of replies."""

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

    @property
    def fill(self) -> float:
        """Share of all workers' places that is busy."""
        return sum(worker.fill * worker.slots for worker in self.workers) / max(self.slots, 1)


class ActRecord(Contract):
    """What an admin did to a queue; `jobs` is how many it was about, where that can be told."""

    at: int
    admin: int
    act: Act
    queue: str
    jobs: int | None = None


class Operations:
    """Looks at the queues and workers of one bot, and acts on them. The queues are those of all bots on this Redis."""

    def __init__(self, connection: redis.Redis, bot_id: int) -> None:
        self._redis = connection
        self._names = Names(bot_id)

    def overview(self) -> Overview:
        """Look at everything now."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.zcard(self._names.waiting)
            pipe.zrange(self._names.waiting, 0, 0, withscores=True)
            pipe.hgetall(self._names.stats)
            pipe.smembers(PAUSED)
            pipe.exists(WORKERS_SUSPENDED)
            pipe.exists(self._names.outbox_leader)
            waiting, oldest, stats, paused, suspended, leader = pipe.execute()
        return Overview(
            queues=tuple(self._queue(name, bool(suspended) or name.encode() in paused) for name in QUEUES),
            workers=tuple(self._workers()),
            waiting_chats=waiting,
            oldest_wait=max(0.0, time.time() - oldest[0][1] / 1000) if oldest else 0.0,
            stats={name.decode(): int(value) for name, value in stats.items()},
            is_delivered=bool(leader),
        )

    async def overview_async(self) -> Overview:
        """The same beside an event loop."""
        return await asyncio.to_thread(self.overview)

    def act(self, act: Act, queue: str, admin: int) -> None:
        """Pause or resume a queue, or put its failed jobs back into it, and write down who did. May be repeated.

        Resuming also lifts a suspension by `rq suspend`, which holds all queues.
        """
        assert queue in QUEUES
        if act == "requeue":
            self._requeue(queue, admin)
            return
        with self._redis.pipeline() as pipe:
            if act == "pause":
                pipe.sadd(PAUSED, queue)
            else:
                pipe.srem(PAUSED, queue)
                pipe.delete(WORKERS_SUSPENDED)
                pipe.publish(WAKE_ALL, queue)
            self._write_down(pipe, ActRecord(at=int(time.time()), admin=admin, act=act, queue=queue))
            pipe.execute()

    def acts(self, count: int) -> list[ActRecord]:
        """What admins did last, newest first."""
        raw = self._redis.lrange(self._names.acts, 0, count - 1)
        return [ActRecord.model_validate_json(record) for record in raw]

    def _requeue(self, name: str, admin: int) -> None:
        """Each job is taken off the list and put into the queue in one transaction, so that none is lost or doubled."""
        queue = rq.Queue(name, connection=self._redis, serializer="json")
        job_ids = queue.failed_job_registry.get_job_ids(0, _JOBS_AT_ONCE - 1, cleanup=False)
        moved = sum(self._requeue_job(queue, job_id) for job_id in job_ids)
        with self._redis.pipeline() as pipe:
            pipe.publish(WAKE_ALL, name)
            record = ActRecord(at=int(time.time()), admin=admin, act="requeue", queue=name, jobs=moved)
            self._write_down(pipe, record)
            pipe.execute()

    def _requeue_job(self, queue: rq.Queue, job_id: str) -> bool:
        registry = queue.failed_job_registry
        with self._redis.pipeline() as pipe:
            pipe.watch(registry.key)
            if pipe.zscore(registry.key, job_id) is None:
                return False
            if not Job.exists(job_id, self._redis):  # only its name is left
                self._redis.zrem(registry.key, job_id)
                return False
            job = Job.fetch(job_id, self._redis, serializer="json")
            job.started_at = job.ended_at = None
            pipe.multi()
            pipe.zrem(registry.key, job_id)
            queue._enqueue_job(job, pipeline=pipe)
            try:
                pipe.execute()
            except (
                redis.WatchError
            ):  # another job failed or was taken meanwhile; the next press takes this one
                return False
        return True

    def _write_down(self, pipe: Pipeline, record: ActRecord) -> None:
        pipe.lpush(self._names.acts, record.model_dump_json())
        pipe.ltrim(self._names.acts, 0, ACTS_KEPT - 1)

    def _queue(self, name: str, paused: bool) -> QueueFigures:
        queue = rq.Queue(name, connection=self._redis, serializer="json")
        return QueueFigures(
            name=name,
            depth=queue.count,
            in_flight=queue.started_job_registry.get_job_count(cleanup=False),
            failed=queue.failed_job_registry.get_job_count(cleanup=False),
            paused=paused,
        )

    def _workers(self) -> list[WorkerFigures]:
        """Found through RQ's own set of workers: a search by pattern would look at every key of every chat."""
        prefix = BaseWorker.redis_worker_namespace_prefix
        members = self._redis.smembers(BaseWorker.redis_workers_keys)
        names = sorted(bytes(member).decode().removeprefix(prefix) for member in members)  # type: ignore[arg-type]
        keys = [WORKER_PREFIX + name for name in names]
        rows = self._redis.mget(keys) if keys else []
        return [WorkerFigures.read(row) for row in rows if row]
