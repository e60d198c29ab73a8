"""Leases on jobs: taking them from all queues at once, keeping them, ending them or giving them back.

Writes RQ 3.0's own layout, so RQ's clean-up, its registries and `rq info` work on what it leaves. Times are
Redis' clock, so workers' clocks may differ. Knows nothing of chats.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import uuid4

import redis
import rq
from rq.defaults import RQ_KEY_PREFIX
from rq.executions import Execution
from rq.job import Job
from rq.registry import DeferredJobRegistry, FailedJobRegistry, ReadyJobRegistry
from rq.results import Result
from rq.utils import now, utcformat

from workers.channel import PAUSED
from workers.scripts import Arg, Call, Script, load_script

WAKE_ALL = "kefu:all:work"
_UNLOCK = Script(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)

T = TypeVar("T")
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

    def take(self, wanted: int) -> Call[list[Held]]:
        """Take up to `wanted` jobs, the first queue's first; each has its execution and its lease."""
        first = uuid4().int
        fresh = [f"{(first + number) % 2**128:032x}" for number in range(wanted)]
        args: list[Arg] = [RQ_KEY_PREFIX, self._seconds, self._worker, utcformat(now()), PAUSED, *fresh]
        return self._call(load_script("take"), self._keys, args, self._read_taken)

    def _read_taken(self, flat: Sequence[Any]) -> list[Held]:
        held: list[Held] = []
        for number, raw_id, raw_execution, fields in zip(*[iter(flat)] * 4, strict=True):
            job_id, queue = raw_id.decode(), self._queues[number]
            job = Job(job_id, connection=self._redis, serializer=queue.serializer)
            job.restore(dict(zip(fields[::2], fields[1::2], strict=True)))  # type: ignore[no-untyped-call]
            held.append((job, queue, Execution(raw_execution.decode(), job_id, self._redis, self._worker)))
        return held

    def renew(self, held: Sequence[Held]) -> list[str]:
        """Prolong leases; for each `lost` or its job's status."""
        if not held:
            return []
        pairs = [part for job, _, execution in held for part in (job.id, execution.id)]
        keys = [queue.started_job_registry.key for _, queue, _ in held]
        args: list[Arg] = [RQ_KEY_PREFIX, self._seconds, self._worker, *pairs]
        return self._call(
            load_script("renew"), keys, args, lambda reply: [status.decode() for status in reply]
        )()

    def may_finish(self, held: Held) -> bool:
        """Whether this execution's end may be recorded: a stalled one's would pass for that of its successor."""
        _, queue, execution = held
        registry = queue.started_job_registry.key
        return self._call(load_script("finish"), [registry], [execution.composite_key, self._seconds], bool)()

    def succeed(self, held: Held, worker_key: str) -> Call[bool | None] | None:
        """Record that an execution ended well and forget its job: all of it that RQ would do, in one step.

        False: its lease is lost. None, now or later: the job keeps something or others wait for it, so RQ must
        record its end.
        """
        job, queue, execution = held
        if not _leaves_nothing(job):
            return None
        assert job.started_at is not None
        keys = [
            queue.started_job_registry.key,
            worker_key,
            job.key,
            job.dependents_key,
            job.dependencies_key,
            Result.get_key(job.id),
        ]
        seconds = (now() - job.started_at).total_seconds()
        args: list[Arg] = [RQ_KEY_PREFIX, self._worker, job.id, execution.id, seconds]
        return self._call(load_script("succeed"), keys, args, lambda done: None if done < 0 else bool(done))

    def give_back(self, held: Held) -> None:
        """End an execution without a result; its job is the next to be taken, unless it was cancelled."""
        job, queue, execution = held
        keys = [queue.key, queue.started_job_registry.key]
        args: list[Arg] = [RQ_KEY_PREFIX, self._worker, job.id, execution.id, WAKE_ALL]
        self._call(load_script("give_back"), keys, args, bool)()

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
                self._call(_UNLOCK, [queue.registry_cleaning_key], [token], bool)()

    def _call(
        self, script: Script, keys: Sequence[str], args: Sequence[Arg], read: Callable[[Any], T]
    ) -> Call[T]:
        return Call(script, keys, args, read, self._redis)


def _leaves_nothing(job: Job) -> bool:
    """Whether a job's good end is over when its keys are gone, whatever else RQ lets jobs have."""
    follows = (
        job._success_callback_name,
        job.webhooks,
        job.repeats_left,
        job.group_id,
        job.has_rate_limit,
    )
    return job.result_ttl == 0 and not any(follows)
