"""Real worker processes on a real Redis: what customers get when things go well and when they do not (P1–P3)."""

import json
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from rq.command import send_stop_job_command
from rq.job import Job

from tests.redis_proxy import RedisProxy
from tests.workers.shop_floor import ROOT, ShopFloor, notice, until
from workers.contracts import Draft
from workers.operations import Operations
from workers.worker import BatchingWorker, Chore

LONG = "one two three four five six seven eight"


def test_a_burst_is_answered_together(floor: ShopFloor) -> None:
    ids = [floor.say(f"part {number}") for number in range(5)]
    floor.start_worker(burst=True).wait(60)
    (reply,) = floor.replies()
    assert reply.answers == tuple(ids)
    assert reply.reply.text == "part 0\npart 1\npart 2\npart 3\npart 4"
    assert floor.jobs() == {}


def test_order_within_a_chat_while_many_chats_are_in_flight(floor: ShopFloor) -> None:
    floor.start_worker(slots=8, delay=0.01)
    floor.start_worker(slots=8, delay=0.01)
    said: dict[int, list[str]] = {chat_id: [] for chat_id in range(20)}
    for turn in range(4):
        for chat_id in said:
            said[chat_id].append(floor.say(f"turn {turn} of {chat_id}", chat_id))
        time.sleep(0.3)
    until(lambda: floor.redis.zcard(floor.names.waiting) == 0)
    for chat_id, ids in said.items():
        answered = [message_id for reply in floor.replies(chat_id) for message_id in reply.answers]
        assert answered == ids


def test_a_message_before_the_first_text_joins_the_answer_and_a_later_one_does_not(floor: ShopFloor) -> None:
    drafts = floor.redis.pubsub()
    drafts.subscribe(floor.names.drafts)
    floor.start_worker(delay=0.4)
    floor.say("first")
    until(floor.is_claimed)
    floor.say("second word and more")
    until(lambda: (drafts.get_message() or {}).get("type") == "message")
    floor.say("later")
    until(lambda: len(floor.replies()) == 2)
    drafts.close()
    assert floor.texts() == ["first\nsecond word and more", "later"]
    history = floor.redis.lrange(floor.names.history(5), 0, -1)
    assert [json.loads(turn)["customer"] for turn in history] == floor.texts()


def test_drafts_grow_and_carry_the_id_of_their_reply(floor: ShopFloor) -> None:
    channel = floor.redis.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(floor.names.drafts)
    channel.get_message(timeout=1)
    floor.start_worker(delay=0.3)
    floor.say(LONG)
    until(floor.replies)
    time.sleep(0.5)
    drafts = []
    while message := channel.get_message(timeout=0.1):
        drafts.append(Draft.model_validate_json(message["data"]))
    channel.close()
    assert len(drafts) >= 2
    assert all(
        later.text.startswith(earlier.text) for earlier, later in zip(drafts, drafts[1:], strict=False)
    )
    assert {draft.draft_id for draft in drafts} == {floor.replies()[0].draft_id}


def test_suggestions_come_as_cards(floor: ShopFloor) -> None:
    floor.say("green teapot", kind="suggest")
    floor.say("", chat_id=6, kind="suggest")
    floor.start_worker(burst=True).wait(60)
    (found,), (nothing,) = floor.replies(5), floor.replies(6)
    assert [card.title for card in found.reply.cards] == ["green teapot"]
    assert (nothing.reply.kind, nothing.reply.cards) == ("suggestions", ())
    assert floor.redis.hget(floor.names.session(5), "shown") == b'["echo"]'


def test_a_killed_worker_is_replaced_and_the_reply_comes_once(floor: ShopFloor) -> None:
    worker = floor.start_worker(delay=0.5)
    floor.say(LONG)
    until(floor.is_claimed)
    worker.kill()
    floor.start_worker()
    until(floor.replies)
    time.sleep(1)
    assert floor.texts() == [LONG]
    until(lambda: floor.jobs() == {})


def test_a_stalled_worker_cannot_answer_a_second_time(floor: ShopFloor) -> None:
    stalled = floor.start_worker(delay=0.3)
    floor.say(LONG)
    until(floor.is_claimed)
    stalled.send_signal(signal.SIGSTOP)
    floor.start_worker()
    until(floor.replies)
    stalled.send_signal(signal.SIGCONT)
    time.sleep(3)
    assert floor.texts() == [LONG]
    assert stalled.poll() is None
    assert floor.jobs() == {}


def test_a_commit_whose_reply_is_lost_is_repeated_without_effect(floor: ShopFloor) -> None:
    with RedisProxy(floor.url) as proxy:
        floor.start_worker(redis_url=proxy.url)
        floor.say("warm up")
        until(floor.replies)
        proxy.lose_reply_to(b'"answers":["m2"]')
        floor.say("once")
        floor.say("afterwards", chat_id=6)
        until(lambda: floor.texts(6) == ["afterwards"] and len(floor.texts()) > 1)
        time.sleep(1)
        assert proxy.lost == 1
    assert floor.texts() == ["warm up", "once"]


def test_a_worker_waits_for_a_redis_that_goes_away(floor: ShopFloor) -> None:
    with RedisProxy(floor.url) as proxy:
        worker = floor.start_worker(redis_url=proxy.url, delay=0.3)
        floor.say(LONG)
        until(floor.is_claimed)
        proxy.go_away()
        floor.say("written meanwhile", chat_id=6)
        time.sleep(1.5)
        proxy.come_back()
        until(lambda: floor.replies(5) and floor.replies(6))
        assert worker.poll() is None
        worker.terminate()
        assert worker.wait(60) == 0
    assert floor.texts() == [LONG]
    assert floor.log_of().read_text().count("Redis is away") == 1


def test_a_worker_is_woken_again_after_redis_was_away(floor: ShopFloor) -> None:
    with RedisProxy(floor.url) as proxy:
        floor.start_worker(
            redis_url=proxy.url, timing={"poll_every": 60, "maintain_every": 60, "sweep_age": 60}
        )
        until(lambda: floor.redis.keys("kefu:worker:*"))
        proxy.go_away()
        time.sleep(1)
        proxy.come_back()
        until(lambda: floor.redis.pubsub_numpat())
        floor.say("hello")
        until(floor.replies, seconds=30)


def test_poison_ends_in_one_apology_and_names_nobody(floor: ShopFloor) -> None:
    floor.say("poison of a customer")
    floor.start_worker(burst=True).wait(60)
    (reply,) = floor.replies()
    assert (reply.reply.kind, reply.answers) == ("apology", ("m1",))
    ((job_id, status),) = floor.jobs().items()
    assert status == "failed"
    (alert,) = floor.redis.lrange(floor.names.alerts, 0, -1)
    assert json.loads(alert)["job_id"] == job_id
    assert floor.redis.hget(floor.names.stats, "apologies") == b"1"
    job = Job.fetch(job_id, connection=floor.redis, serializer="json")
    assert "poison" not in str(job.latest_result().exc_string)
    assert "poison" not in floor.log_of().read_text()


def test_what_waits_behind_poison_is_answered(floor: ShopFloor) -> None:
    floor.say("poison")
    floor.say("tea", kind="suggest")
    floor.start_worker(burst=True).wait(60)
    assert [entry.reply.kind for entry in floor.replies()] == ["apology", "suggestions"]


def test_stop_job_stops_any_of_the_executions_at_once(floor: ShopFloor) -> None:
    floor.start_worker(delay=1.0, timing={"sweep_age": 60})
    for chat_id in range(6):
        floor.say(LONG, chat_id)
    until(lambda: list(floor.jobs().values()) == ["started"] * 6)
    for job_id in floor.jobs():
        send_stop_job_command(floor.redis, job_id, serializer="json")
    until(lambda: list(floor.jobs().values()) == ["stopped"] * 6)


def test_a_job_that_is_stopped_before_its_first_step_ends(floor: ShopFloor) -> None:
    """Its task ran none of its own code, so nobody heard of its end, and its slot was taken for ever."""
    floor.say("hello")
    worker = BatchingWorker(["support"], connection=floor.redis)
    worker.loop.call_soon(time.sleep, 2.0)  # so long nothing begins
    worker.add_chore(Chore(0.05, lambda: worker._stop(lambda running: True)))
    working = threading.Thread(target=worker.work, kwargs={"burst": True}, daemon=True)
    working.start()
    working.join(30)
    assert not working.is_alive()
    assert list(floor.jobs().values()) == ["stopped"]


def test_a_cancelled_job_ends_and_the_sweeper_gives_the_customer_another(floor: ShopFloor) -> None:
    floor.start_worker(delay=0.3)
    floor.say(LONG)
    until(floor.is_claimed)
    (job_id,) = floor.jobs()
    Job.fetch(job_id, connection=floor.redis, serializer="json").cancel()
    until(floor.replies)
    assert floor.texts() == [LONG]
    until(lambda: floor.jobs() == {job_id: "canceled"})
    assert floor.redis.hget(floor.names.stats, "swept") == b"1"


def test_a_job_that_is_deleted_just_before_its_end_ends_nothing_else(floor: ShopFloor) -> None:
    worker = floor.start_worker(delay=0.5, timing={"beat_every": 20})
    floor.say("one two")
    until(floor.is_claimed)
    floor.redis.delete(*(f"rq:job:{job_id}" for job_id in floor.jobs()))
    until(floor.replies)
    floor.say("and then")
    until(lambda: len(floor.replies()) == 2)
    assert worker.poll() is None


def test_a_chat_whose_job_vanished_is_swept(floor: ShopFloor) -> None:
    floor.say("hello")
    floor.redis.delete("rq:queue:support")
    floor.start_worker(timing={"sweep_age": 1})
    until(floor.replies)


def test_a_stop_while_it_waits_for_redis_is_orderly(floor: ShopFloor) -> None:
    worker = floor.start_worker(redis_url="redis://127.0.0.1:1/0")
    until(lambda: b"Redis does not answer" in floor.log_of().read_bytes())
    worker.terminate()
    assert worker.wait(60) == 0


def test_a_warm_stop_finishes_what_runs(floor: ShopFloor) -> None:
    worker = floor.start_worker(delay=0.2)
    floor.say(LONG)
    until(floor.is_claimed)
    worker.send_signal(signal.SIGTERM)
    floor.say("too late", chat_id=6)
    assert worker.wait(60) == 0
    assert floor.texts() == [LONG]
    assert list(floor.jobs().values()) == ["queued"]


def test_a_cold_stop_gives_jobs_back(floor: ShopFloor) -> None:
    worker = floor.start_worker(delay=2.0)
    floor.say(LONG)
    until(floor.is_claimed)
    worker.send_signal(signal.SIGTERM)
    time.sleep(1.1)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
    assert list(floor.jobs().values()) == ["queued"]
    assert floor.redis.zcard("rq:wip:support") == 0
    floor.start_worker(burst=True).wait(60)
    assert floor.texts() == [LONG]


def test_a_warm_stop_has_a_limit(floor: ShopFloor) -> None:
    worker = floor.start_worker(delay=5.0, timing={"warm_stop": 0.5})
    floor.say(LONG)
    until(floor.is_claimed)
    worker.send_signal(signal.SIGINT)
    assert worker.wait(60) == 0
    assert list(floor.jobs().values()) == ["queued"]


def test_a_hanging_engine_ends_the_process(floor: ShopFloor) -> None:
    floor.say("block")
    worker = floor.start_worker(timing={"stall": 1.0})
    assert worker.wait(60) == 70


@pytest.mark.parametrize("state", ["idle", "full", "Redis away"])
def test_a_waiting_worker_leaves_the_processor_alone(floor: ShopFloor, state: str) -> None:
    with RedisProxy(floor.url) as proxy:
        timing = {"lease": 15, "beat_every": 4.0, "maintain_every": 5.0, "sweep_every": 5.0}
        worker = floor.start_worker(redis_url=proxy.url, slots=1, delay=3.0, timing=timing)
        until(lambda: floor.redis.keys("kefu:worker:*"))
        if state == "full":
            floor.say(LONG, 1)
            floor.say(LONG, 2)
            until(lambda: floor.is_claimed(1) or floor.is_claimed(2))
        elif state == "Redis away":
            proxy.go_away()
        before = sum(psutil.Process(worker.pid).cpu_times()[:2])
        time.sleep(2)
        assert sum(psutil.Process(worker.pid).cpu_times()[:2]) - before < 0.2


def test_rq_info_works_beside_it(floor: ShopFloor) -> None:
    with RedisProxy(floor.url) as proxy:  # the command takes no socket
        floor.start_worker(delay=0.5)
        for chat_id in range(3):
            floor.say(LONG, chat_id)
        until(lambda: all(floor.is_claimed(chat_id) for chat_id in range(3)))
        command = [sys.executable, "-m", "rq.cli", "info", "--url", proxy.url]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert "busy" in result.stdout
    assert "support" in result.stdout and "3 executing" in result.stdout


def test_figures_show_queues_and_workers(floor: ShopFloor) -> None:
    floor.start_worker(slots=2, delay=0.5)
    for chat_id in range(5):
        floor.say(LONG, chat_id)
    operations = Operations(floor.redis, 7)
    until(lambda: operations.overview().workers and operations.overview().workers[0].in_flight == 2)
    overview = operations.overview()
    assert (overview.depth, overview.in_flight, overview.slots, overview.failed) == (3, 2, 2, 0)
    assert overview.waiting_chats == 5
    assert overview.oldest_wait > 0
    assert overview.stats["accepted"] == 5


def test_forget_leaves_no_trace(floor: ShopFloor) -> None:
    chat_id = 987654321
    floor.start_worker()
    floor.say("remember this", chat_id)
    until(lambda: floor.replies(chat_id))
    until(lambda: floor.jobs() == {})
    floor.channel.forget(100, chat_id, notice(chat_id=chat_id))
    floor.redis.delete(floor.names.outbox(chat_id))
    floor.redis.srem(floor.names.outbox_chats, chat_id)
    assert traces(floor, b"987654321") == []
    assert traces(floor, b"remember") == []


def test_forget_fences_an_answer_in_the_making(floor: ShopFloor) -> None:
    floor.start_worker(delay=0.3)
    floor.say(LONG)
    until(floor.is_claimed)
    floor.channel.forget(100, 5, notice())
    until(lambda: floor.jobs() == {})
    assert [entry.reply.kind for entry in floor.replies()] == ["notice"]


@pytest.mark.parametrize("command", ["forget", "reset"])
def test_what_was_computed_for_a_forgotten_chat_is_dropped_too(floor: ShopFloor, command: str) -> None:
    """The engine's memory of a chat's earlier turns outlived /forget by ten minutes (P9)."""
    floor.start_worker()
    until(floor.redis.pubsub_numpat)
    floor.say("remember this", 5)
    until(lambda: floor.replies(5))
    getattr(floor.channel, command)(100, 5, notice())
    until(lambda: f"forgotten: {floor.names.session(5)}" in floor.log_of().read_text())


def traces(floor: ShopFloor, needle: bytes) -> list[bytes]:
    """Every key whose name or value holds `needle`."""
    readers = {
        b"string": lambda key: [floor.redis.get(key)],
        b"list": lambda key: floor.redis.lrange(key, 0, -1),
        b"set": lambda key: list(floor.redis.smembers(key)),
        b"zset": lambda key: floor.redis.zrange(key, 0, -1),
        b"hash": lambda key: [part for pair in floor.redis.hgetall(key).items() for part in pair],
        b"stream": lambda key: [repr(floor.redis.xrange(key)).encode()],
    }
    return [
        key
        for key in floor.redis.keys("*")
        if needle in key or any(needle in value for value in readers[floor.redis.type(key)](key))
    ]


@pytest.mark.parametrize("setting", ["min-replicas-to-write", "maxmemory"])
def test_a_worker_waits_for_a_redis_that_takes_no_writes(floor: ShopFloor, setting: str) -> None:
    worker = floor.start_worker(delay=0.2)
    floor.say("one two three")
    until(floor.is_claimed)
    floor.redis.config_set(setting, "1")
    try:
        until(lambda: b"Redis is away" in floor.log_of().read_bytes())
        time.sleep(1)
    finally:
        floor.redis.config_set(setting, "0")
    until(floor.replies)
    assert worker.poll() is None
