"""Leases on jobs: taking them from all queues at once, keeping them, ending them or giving them back.

Writes RQ 3.0's own layout, so RQ's clean-up, its registries and `rq info` work on what it leaves. Times are
Redis' clock, so workers' clocks may differ. Knows nothing of chats.
"""

from collections.abc import Sequence
from uuid import uuid4

import redis
import rq
from rq.defaults import RQ_KEY_PREFIX
from rq.executions import Execution
from rq.job import Job
from rq.registry import DeferredJobRegistry, FailedJobRegistry, ReadyJobRegistry
from rq.utils import now, utcformat

from workers.scripts import load_script

WAKE_ALL = "kefu:all:work"
_UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"

Held = tuple[Job, rq.Queue, Execution]


class Leases:
    """The leases of one worker on the jobs of some queues, in priority order."""

    def __init__(
        self, connection: redis.Redis, worker: str, queues: Sequence[rq.Queue], seconds: int
    ) -> None:
        self._redis = connection
        self._worker = worker
        self._queues = list(queues)
        self._seconds = seconds
        self._keys = [key for queue in queues for key in (queue.key, queue.started_job_registry.key)]
        self._take = load_script(connection, "take")
        self._renew = load_script(connection, "renew")
        self._finish = load_script(connection, "finish")
        self._give_back = load_script(connection, "give_back")
        self._unlock = connection.register_script(_UNLOCK)

    def take(self, wanted: int) -> list[Held]:
        """Take up to `wanted` jobs, the first queue's first; each has its execution and its lease."""
        fresh = [uuid4().hex for _ in range(wanted)]
        flat = self._take(
            keys=self._keys, args=[RQ_KEY_PREFIX, self._seconds, self._worker, utcformat(now()), *fresh]
        )
        triples = [(int(n), job.decode(), ex.decode()) for n, job, ex in zip(*[iter(flat)] * 3, strict=True)]
        jobs = self._fetch([job_id for _, job_id, _ in triples])
        held: list[Held] = []
        for (number, job_id, execution_id), job in zip(triples, jobs, strict=True):
            if job is not None:  # else deleted a moment ago; its lease ends by itself
                execution = Execution(execution_id, job_id, self._redis, self._worker)
                held.append((job, self._queues[number], execution))
        return held

    def _fetch(self, job_ids: list[str]) -> list[Job | None]:
        if not job_ids:
            return []
        return Job.fetch_many(job_ids, connection=self._redis, serializer=self._queues[0].serializer)

    def renew(self, held: Sequence[Held]) -> list[str]:
        """Prolong leases; for each `lost` or its job's status."""
        if not held:
            return []
        pairs = [part for job, _, execution in held for part in (job.id, execution.id)]
        reply = self._renew(
            keys=[queue.started_job_registry.key for _, queue, _ in held],
            args=[RQ_KEY_PREFIX, self._seconds, self._worker, *pairs],
        )
        return [status.decode() for status in reply]

    def may_finish(self, held: Held) -> bool:
        """Whether this execution's end may be recorded: a stalled one's would pass for that of its successor."""
        _, queue, execution = held
        registry = queue.started_job_registry.key
        return bool(self._finish(keys=[registry], args=[execution.composite_key, self._seconds]))

    def give_back(self, held: Held) -> None:
        """End an execution without a result; its job is the next to be taken, unless it was cancelled."""
        job, queue, execution = held
        self._give_back(
            keys=[queue.key, queue.started_job_registry.key],
            args=[RQ_KEY_PREFIX, self._worker, job.id, execution.id, WAKE_ALL],
        )

    def maintain(self) -> None:
        """Requeue or fail the jobs of dead workers and clear RQ's registries, unless another worker is at it.

        RQ's own lock lives for 899 seconds after a worker that is killed inside; this one for a lease, and only
        its owner opens it.
        """
        for queue in self._queues:
            token = uuid4().hex
            if not self._redis.set(queue.registry_cleaning_key, token, nx=True, ex=self._seconds):
                continue
            try:
                queue.started_job_registry.cleanup(timestamp=self._redis.time()[0])
                for registry in (FailedJobRegistry, DeferredJobRegistry, ReadyJobRegistry):
                    registry(queue=queue).cleanup()
                rq.worker_registration.clean_worker_registry(queue)
            finally:
                self._unlock(keys=[queue.registry_cleaning_key], args=[token])
