"""Two versions of the program side by side, as in a rolling upgrade: nothing that one writes stops the other."""

import json

import pytest
from pydantic import ValidationError
from redis import Redis

from tests.workers.shop_floor import ShopFloor, message, notice
from workers.contracts import (
    CustomerMessage,
    Draft,
    OutboxEntry,
    ProductCard,
    Reply,
    Turn,
    read_message,
)
from workers.operations import Operations, WorkerFigures

CARD = {"product_id": "p", "title": "Teapot", "description": "", "price": "24.90 EUR", "in_stock": True}
FIRST_VERSION = {
    CustomerMessage: {
        "id": "m1", "chat_id": 5, "user_id": 5, "message_id": None, "kind": "text", "text": "hello",
        "language": "en", "accepted_at": 1.5,
    },
    OutboxEntry: {
        "id": "e.0", "chat_id": 5, "created_at": 1.5,
        "reply": {"kind": "suggestions", "language": "zh", "text": "好", "cards": [CARD],
                  "buttons": [[{"text": "a", "data": "b"}]]},
    },
    Draft: {"chat_id": 5, "draft_id": 3, "text": "hel"},
    Turn: {"customer": "hello", "reply": "hi", "at": 1.5},
    WorkerFigures: {"name": "w", "slots": 2, "in_flight": 1, "fill": 0.5, "jobs": 3, "steps_per_second": 9.0,
                    "model": "echo"},
}  # fmt: skip
"""What version 0.1.0 writes at the least. Later versions must read it: a field that is added has a default."""

NEWER = {"mood": "cheerful", "details": {"more": [1]}}


@pytest.mark.parametrize("record", FIRST_VERSION, ids=lambda record: record.__name__)
def test_what_the_first_version_wrote_can_be_read(record: type[OutboxEntry]) -> None:
    assert record.read(json.dumps(FIRST_VERSION[record]))


@pytest.mark.parametrize("record", FIRST_VERSION, ids=lambda record: record.__name__)
def test_a_reader_passes_over_fields_of_a_later_version(record: type[OutboxEntry]) -> None:
    old = FIRST_VERSION[record]
    assert record.read(json.dumps({**old, **NEWER})) == record.read(json.dumps(old))


def test_later_fields_are_passed_over_deep_inside_too() -> None:
    entry = json.loads(json.dumps(FIRST_VERSION[OutboxEntry]))
    entry["reply"] |= NEWER
    entry["reply"]["cards"][0] |= NEWER
    entry["reply"]["buttons"][0][0] |= NEWER
    reply = OutboxEntry.read(json.dumps(entry)).reply
    assert (reply.cards[0].title, reply.buttons[0][0].data) == ("Teapot", "b")


def test_whoever_makes_a_record_is_held_to_its_fields() -> None:
    with pytest.raises(ValidationError):
        ProductCard(**CARD, colour="blue")  # type: ignore[call-arg]


def rewrite_inbox(redis: Redis, floor: ShopFloor, **changes: object) -> None:
    """Let the last message of the inbox be one that a later version wrote."""
    key = floor.names.inbox(5)
    written = json.loads(redis.lindex(key, -1))
    redis.lset(key, -1, json.dumps({**written, **changes}))


def test_a_worker_answers_what_a_later_bot_wrote(floor: ShopFloor) -> None:
    floor.say("hello")
    rewrite_inbox(floor.redis, floor, **NEWER)
    floor.start_worker(burst=True).wait(50)
    assert floor.texts() == ["hello"]


def test_a_message_of_an_unknown_kind_gets_an_apology_and_does_not_go_round(floor: ShopFloor) -> None:
    floor.say("before")
    floor.say("")
    rewrite_inbox(floor.redis, floor, kind="hologram", language="zh")
    floor.say("behind")
    floor.start_worker(burst=True).wait(50)
    first, sorry, last = floor.replies()
    assert (first.reply.text, last.reply.text) == ("before", "behind")
    assert (sorry.reply.kind, sorry.reply.language, sorry.answers) == ("apology", "zh", ("m2",))
    assert "failed" in floor.jobs().values()
    assert json.loads(floor.redis.lindex(floor.names.alerts, 0))["kind"] == "unreadable"
    assert not floor.redis.exists(floor.names.waiting)


def test_what_is_no_record_at_all_is_dropped_and_counted(floor: ShopFloor) -> None:
    floor.redis.rpush(floor.names.inbox(5), "no JSON", "[1]", '{"id": 3}')
    floor.say("hello")
    floor.start_worker(burst=True).wait(50)
    assert floor.texts() == ["hello"]
    assert floor.redis.hget(floor.names.stats, "garbage") == b"3"
    assert floor.jobs() == {}


def test_forget_works_on_a_message_of_an_unknown_kind(floor: ShopFloor) -> None:
    floor.say("hello")
    rewrite_inbox(floor.redis, floor, kind="hologram")
    floor.redis.rpush(floor.names.inbox(5), "no record at all")
    assert floor.channel.forget(100, 5, notice())
    assert floor.replies()[0].answers == ("m1",)


def test_a_remembered_turn_that_cannot_be_read_is_left_out(floor: ShopFloor) -> None:
    turns = [Turn(customer=word, reply="", at=1).model_dump_json() for word in ("one", "two")]
    floor.redis.rpush(floor.names.history(5), turns[0], '{"customer": 7}', turns[1])
    floor.say("hello")
    floor.start_worker(burst=True).wait(50)
    assert floor.texts() == ["hello"]


def test_figures_of_a_later_worker_are_shown(floor: ShopFloor) -> None:
    floor.redis.sadd("rq:workers", "rq:worker:w")
    floor.redis.set("kefu:worker:w", json.dumps({**FIRST_VERSION[WorkerFigures], **NEWER}))
    assert Operations(floor.redis, 7).overview().workers[0].name == "w"


def test_an_unreadable_message_keeps_its_place_and_its_id() -> None:
    raw = json.dumps({**json.loads(message(3).model_dump_json()), "text": None, "kind": 9})
    read = read_message(raw)
    assert (read.id, read.kind, read.chat_id, read.text) == ("m3", "unreadable", 5, "")
    assert Reply(kind="notice", language="en", text="x") == Reply.read(
        '{"kind":"notice","language":"en","text":"x","v":2}'
    )
