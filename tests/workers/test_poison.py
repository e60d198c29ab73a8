"""A message that ends whoever reads it: three workers die of it, then the customer is told, and nobody else suffers."""

import json
import signal
from collections.abc import Callable

import pytest
import rq

from tests.workers.shop_floor import ShopFloor, until
from workers.mailbox import MAX_ATTEMPTS
from workers.watchdog import EXIT_CODE

LONG = " ".join(f"word{number}" for number in range(6))
NEIGHBOURS = range(20, 24)


def keep_one_running(floor: ShopFloor, condition: Callable[[], object], **options: object) -> list[int]:
    """Start a worker again whenever it ends, as a supervisor does, until something holds; how each one ended."""
    worker, ends = floor.start_worker(**options), []

    def holds() -> object:
        nonlocal worker
        if (code := worker.poll()) is not None:
            ends.append(code)
            worker = floor.start_worker(**options)
        return condition()

    until(holds, seconds=50)
    return ends


@pytest.mark.slow
@pytest.mark.parametrize(("text", "end"), [("deadly", -signal.SIGKILL), ("block", EXIT_CODE)])
def test_a_message_that_kills_its_workers_ends_in_the_failed_registry(
    floor: ShopFloor, text: str, end: int
) -> None:
    floor.say(text)
    for chat_id in NEIGHBOURS:
        floor.say(LONG, chat_id)
    everybody = [5, *NEIGHBOURS]
    options = {"delay": 0.2, "timing": {"stall": 1.5}}
    ends = keep_one_running(floor, lambda: all(floor.replies(chat) for chat in everybody), **options)
    assert ends == [end] * MAX_ATTEMPTS
    assert [entry.reply.kind for entry in floor.replies()] == ["apology"]
    assert [floor.texts(chat) for chat in NEIGHBOURS] == [[LONG]] * len(NEIGHBOURS)
    until(lambda: list(floor.jobs().values()) == ["failed"])
    queue = rq.Queue("support", connection=floor.redis, serializer="json")
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == list(floor.jobs())
    (alert,) = [json.loads(raw) for raw in floor.redis.lrange(floor.names.alerts, 0, -1)]
    assert (alert["kind"], [alert["job_id"]]) == ("gave_up", list(floor.jobs()))
    assert floor.redis.zcard(floor.names.waiting) == 0
    floor.say("and now?")
    until(lambda: floor.texts()[-1] == "and now?")


def test_a_customer_who_never_stops_leaves_room_for_others(floor: ShopFloor) -> None:
    """With one place only, who has been answered a few times goes behind those who wait."""
    floor.start_worker(slots=1, delay=0.1)
    floor.say("w0")
    until(floor.is_claimed)
    floor.say("hello", chat_id=6)
    written = 1

    def is_heard_while_the_first_writes_on() -> object:
        nonlocal written
        if floor.redis.llen(floor.names.inbox(5)) < 15:
            floor.say(f"w{written}")
            written += 1
        return floor.replies(6)

    until(is_heard_while_the_first_writes_on)
    until(lambda: floor.redis.zcard(floor.names.waiting) == 0)
    assert " ".join(floor.texts()).split() == " ".join(f"w{n}" for n in range(written)).split()


def test_a_flood_of_one_customer_is_one_turn_for_the_others(floor: ShopFloor) -> None:
    order: list[int] = []
    for number in range(15):
        floor.say(f"part {number}")
    for chat_id in NEIGHBOURS:
        floor.say("hello", chat_id)
    heard = floor.redis.pubsub(ignore_subscribe_messages=True)
    heard.subscribe(floor.names.outbox_wake)
    heard.get_message(timeout=1)
    floor.start_worker(slots=1, burst=True).wait(50)
    while event := heard.get_message(timeout=0.2):
        order.append(int(event["data"]))
    heard.close()
    assert order == [5, *NEIGHBOURS]
