"""The take script against RQ's own registries: RQ 3.0's layout, every queue, no hole between pop and lease."""

import rq
from redis import Redis
from rq.executions import Execution
from rq.registry import StartedJobRegistry
from rq.suspension import resume, suspend

from tests.workers.shop_floor import BOT, ShopFloor, until
from workers.leases import Leases
from workers.settings import QUEUES


def leases(redis: Redis, name: str = "w") -> Leases:
    queues = [rq.Queue(queue, connection=redis, serializer="json") for queue in QUEUES]
    return Leases(redis, name, queues, seconds=15)


def lapse(redis: Redis, queue: str) -> None:
    """Let the leases of a queue end."""
    for member in redis.zrange(f"rq:wip:{queue}", 0, -1):
        redis.zadd(f"rq:wip:{queue}", {member: 1})


def test_jobs_come_in_order_of_priority(floor: ShopFloor, redis: Redis) -> None:
    floor.say("tea", chat_id=1, kind="suggest")
    floor.say("hello", chat_id=2)
    held = leases(redis).take(5)()
    assert [(queue.name, job.args) for job, queue, _ in held] == [
        ("support", [BOT, 2]),
        ("suggest", [BOT, 1]),
    ]


def test_rq_sees_what_was_taken(floor: ShopFloor, redis: Redis) -> None:
    floor.say("hello")
    ((job, queue, execution),) = leases(redis).take(1)()
    assert StartedJobRegistry(queue=queue).get_job_ids(cleanup=False) == [job.id]
    assert [found.id for found in job.get_executions()] == [execution.id]
    seen = Execution.fetch(execution.id, job.id, redis)
    assert (seen.worker_name, seen.composite_key) == ("w", execution.composite_key)
    assert redis.smembers(execution.worker_executions_key) == {execution.composite_key.encode()}
    assert (job.get_status(), job.worker_name) == ("started", "w")


def test_a_kill_right_after_the_take_loses_no_job_of_any_queue(floor: ShopFloor, redis: Redis) -> None:
    floor.say("hello", chat_id=1)
    floor.say("tea", chat_id=2, kind="suggest")
    leases(redis).take(2)()
    for queue in ("support", "suggest"):
        lapse(redis, queue)
    leases(redis, "other").maintain()
    assert sorted(floor.jobs().values()) == ["queued", "queued"]
    assert len(leases(redis, "other").take(2)()) == 2


def test_a_lost_lease_is_not_renewed(floor: ShopFloor, redis: Redis) -> None:
    floor.say("hello")
    worker = leases(redis)
    held = worker.take(1)()
    assert worker.renew(held) == ["started"]
    lapse(redis, "support")
    leases(redis, "other").maintain()
    assert worker.renew(held) == ["lost"]
    assert not worker.may_finish(held[0])
    assert redis.zcard("rq:wip:support") == 0


def test_cancelled_and_repeated_entries_are_passed_over(floor: ShopFloor, redis: Redis) -> None:
    floor.say("hello", chat_id=1)
    (job_id,) = floor.jobs()
    redis.rpush("rq:queue:support", job_id, "no-such-job")
    assert [job.id for job, _, _ in leases(redis).take(5)()] == [job_id]
    assert redis.llen("rq:queue:support") == 0


def test_a_dead_workers_maintenance_lock_ends_with_a_lease(redis: Redis) -> None:
    redis.set("rq:clean_registries:support", "dead", px=100)
    worker = leases(redis)
    worker.maintain()
    assert redis.get("rq:clean_registries:support") == b"dead"
    until(lambda: not redis.exists("rq:clean_registries:support"))
    worker.maintain()
    assert not redis.exists("rq:clean_registries:support")


def test_a_good_end_leaves_what_rqs_own_leaves(floor: ShopFloor, redis: Redis) -> None:
    left = []
    for chat_id in (1, 2):
        floor.say("hello", chat_id=chat_id)
        worker = leases(redis)
        (held,) = worker.take(1)()
        if chat_id == 1:
            assert (succeed := worker.succeed(held, "rq:worker:w")) and succeed() is True
            assert succeed() is False
        else:
            rq_worker = rq.SimpleWorker(list(QUEUES), connection=redis, serializer="json", name="w")
            rq_worker._finalize_success(*held, None)
        left.append({key for key in redis.keys("rq:*") if key != b"rq:worker:w"})
        assert redis.hget("rq:worker:w", "successful_job_count") == str(chat_id).encode()
    assert left == [{b"rq:queues"}] * 2


def test_a_job_that_others_wait_for_ends_as_rq_would_end_it(floor: ShopFloor, redis: Redis) -> None:
    floor.say("hello")
    worker = leases(redis)
    (held,) = worker.take(1)()
    held[1].enqueue("workers.jobs.answer", depends_on=held[0].id)
    before = redis.keys()
    succeed = worker.succeed(held, "rq:worker:w")
    assert succeed and succeed() is None
    assert sorted(redis.keys()) == sorted(before)
    kept = held[0]
    kept.result_ttl = 500
    assert worker.succeed(held, "rq:worker:w") is None


def test_nothing_is_taken_while_rqs_workers_are_suspended(floor: ShopFloor, redis: Redis) -> None:
    floor.say("hello")
    suspend(redis)
    assert leases(redis).take(1)() == []
    resume(redis)
    assert len(leases(redis).take(1)()) == 1
