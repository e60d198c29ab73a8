"""What admins see of the queues and do to them, on a real Redis with RQ's own records and a real worker."""

import json

import pytest
import rq
from redis import Redis

from tests.workers.shop_floor import BOT, ShopFloor, until
from workers.channel import PAUSED, WORKER_PREFIX
from workers.leases import Leases
from workers.operations import Operations

ADMIN = 9


@pytest.fixture
def operations(redis: Redis) -> Operations:
    return Operations(redis, BOT)


def queue_of(redis: Redis, name: str) -> rq.Queue:
    return rq.Queue(name, connection=redis, serializer="json")


def fail(redis: Redis, name: str, count: int) -> list[str]:
    """Jobs that have failed for good."""
    queue, ids = queue_of(redis, name), []
    for number in range(count):
        job = queue.enqueue("builtins.print", "again", job_id=f"{name}-{number}", result_ttl=0)
        queue.remove(job)
        job.set_status("failed")
        queue.failed_job_registry.add(job, ttl=3600)
        ids.append(job.id)
    return ids


def test_a_paused_queue_is_not_taken_from_and_the_others_are(redis: Redis, operations: Operations) -> None:
    leases = Leases(redis, "w", [queue_of(redis, "support"), queue_of(redis, "bulk")], 15)
    for name in ("support", "bulk"):
        queue_of(redis, name).enqueue("builtins.print", job_id=name)
    operations.act("pause", "support", ADMIN)
    assert [job.id for job, _, _ in leases.take(5)()] == ["bulk"]
    figures = {queue.name: queue for queue in operations.overview().queues}
    assert figures["support"].paused and not figures["bulk"].paused
    operations.act("resume", "support", ADMIN)
    assert [job.id for job, _, _ in leases.take(5)()] == ["support"]
    assert not redis.exists(PAUSED)


def test_a_suspension_by_rq_shows_and_a_resume_lifts_it(redis: Redis, operations: Operations) -> None:
    rq.suspension.suspend(redis)
    assert all(queue.paused for queue in operations.overview().queues)
    operations.act("resume", "support", ADMIN)
    assert not any(queue.paused for queue in operations.overview().queues)


def test_a_worker_goes_on_when_its_queue_is_resumed(floor: ShopFloor, operations: Operations) -> None:
    operations.act("pause", "support", ADMIN)
    floor.start_worker()
    until(lambda: floor.redis.keys(f"{WORKER_PREFIX}*"))
    floor.say("hello")
    floor.say("a lamp", chat_id=6, kind="suggest")
    until(lambda: floor.replies(6))
    assert floor.replies(5) == [] and operations.overview().waiting_chats == 1
    operations.act("resume", "support", ADMIN)
    until(lambda: floor.texts(5) == ["hello"])


def test_failed_jobs_go_back_into_their_queue_and_none_is_doubled(
    redis: Redis, operations: Operations
) -> None:
    ids = fail(redis, "bulk", 3)
    redis.delete("rq:job:bulk-1")
    operations.act("requeue", "bulk", ADMIN)
    operations.act("requeue", "bulk", ADMIN)
    bulk = queue_of(redis, "bulk")
    assert sorted(bulk.get_job_ids()) == [ids[0], ids[2]]
    assert operations.overview().failed == 0
    assert bulk.fetch_job(ids[0]).get_status() == "queued"
    leases = Leases(redis, "w", [bulk], 15)
    assert len(leases.take(5)()) == 2


def test_every_act_is_written_down_newest_first(redis: Redis, operations: Operations) -> None:
    fail(redis, "bulk", 2)
    operations.act("pause", "suggest", ADMIN)
    operations.act("requeue", "bulk", 10)
    requeue, pause = operations.acts(5)
    assert (pause.admin, pause.act, pause.queue, pause.jobs) == (ADMIN, "pause", "suggest", None)
    assert (requeue.admin, requeue.act, requeue.queue, requeue.jobs) == (10, "requeue", "bulk", 2)
    for _ in range(120):
        operations.act("pause", "suggest", ADMIN)
    assert redis.llen(f"kefu:{BOT}:acts") == 100


def test_workers_are_found_without_a_search_over_all_keys(redis: Redis, operations: Operations) -> None:
    row = {
        "name": "a",
        "slots": 4,
        "in_flight": 1,
        "fill": 0.5,
        "jobs": 2,
        "steps_per_second": 1.5,
        "model": "echo",
    }
    redis.sadd("rq:workers", "rq:worker:a", "rq:worker:gone")
    redis.set(f"{WORKER_PREFIX}a", json.dumps(row))
    redis.set(f"{WORKER_PREFIX}b", json.dumps(row | {"name": "b"}))
    redis.config_resetstat()
    overview = operations.overview()
    assert [worker.name for worker in overview.workers] == ["a"]
    assert (overview.slots, overview.fill) == (4, 0.5)
    assert "cmdstat_scan" not in redis.info("commandstats")
