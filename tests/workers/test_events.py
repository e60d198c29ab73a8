"""What customers did: kept with the press, seen by the very next suggestion, capped, exported, forgotten."""

import time

from workers.channel import EVENTS_KEPT, Accepted, Channel
from workers.contracts import CustomerMessage, EventRecord, OutboxEntry, Reply
from workers.exports import export_events
from workers.sessions import Sessions

BOT, CHAT = 7, 11


def pressed(number, press="more"):
    return CustomerMessage(
        id=f"m{number}", chat_id=CHAT, user_id=CHAT, message_id=None, kind="suggest", text="A lamp",
        language="en", accepted_at=time.time(), press=press, product_id="P1",
    )  # fmt: skip


def event(action="more", product_id="P1"):
    return EventRecord(product_id=product_id, action=action, at=time.time())


def test_a_press_and_its_event_are_in_redis_together_and_once(redis):
    channel = Channel(redis, BOT)
    assert channel.accept(1, pressed(1), event()) is Accepted.ACCEPTED
    assert channel.accept(1, pressed(1), event()) is Accepted.DUPLICATE
    session = Sessions(redis, BOT).read(CHAT)()
    assert [(e.product_id, e.action) for e in session.events] == [("P1", "more")]


def test_events_are_capped_and_expire(redis):
    channel = Channel(redis, BOT)
    for number in range(EVENTS_KEPT + 5):
        channel.note(number, CHAT, event("like", f"P{number}"))
    events = Sessions(redis, BOT).read(CHAT)().events
    assert len(events) == EVENTS_KEPT and events[-1].product_id == f"P{EVENTS_KEPT + 4}"
    assert redis.ttl(channel.names.events(CHAT)) > 0


def test_forget_removes_the_events(redis):
    channel = Channel(redis, BOT)
    channel.note(1, CHAT, event("dislike"))
    reply = Reply(kind="notice", language="en", text="Done")
    channel.forget(2, CHAT, OutboxEntry(id="n2", chat_id=CHAT, reply=reply, created_at=time.time()))
    assert Sessions(redis, BOT).read(CHAT)().events == ()
    assert not redis.exists(channel.names.events(CHAT))


def test_export_writes_products_without_anybodys_id(redis, tmp_path):
    channel = Channel(redis, BOT)
    channel.note(1, CHAT, event("like"))
    channel.note(2, CHAT, event("category", "tea"))
    out = tmp_path / "events.csv"
    assert export_events(redis, out) == (1, 1)
    header, row = out.read_text().splitlines()
    assert header == "user,item,timestamp,event" and row.startswith("c1,P1,") and row.endswith(",like")
    assert str(CHAT) not in row.split(",")[0]
