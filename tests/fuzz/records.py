"""Records that cross processes: what is written is read back as it was, and what cannot be read stops nothing."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import strategies as st
from pydantic import ValidationError
from redis.exceptions import RedisError

from tests.fuzz.inputs import anything, good_texts, nearly, numbers, short_texts
from tests.fuzz.properties import Check, Property
from tests.fuzz.replies import replies
from workers.channel import Channel, Names
from workers.connection import connect, connect_async
from workers.contracts import Contract, CustomerMessage, Draft, OutboxEntry, Reply, Turn, read_message
from workers.embedded_redis import private_redis
from workers.outbox import Outbox
from workers.sessions import Sessions

CHAT = 5

messages = st.builds(
    CustomerMessage,
    id=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    chat_id=st.just(CHAT),
    user_id=numbers,
    message_id=st.none() | st.integers(),
    kind=st.sampled_from(["text", "suggest"]),
    text=good_texts.map(lambda text: text[:4096]),
    language=st.sampled_from(["en", "zh"]),
    accepted_at=st.floats(0, 2**40),
)
entries = st.builds(
    OutboxEntry,
    id=st.from_regex(r"[A-Za-z0-9_.-]{1,96}", fullmatch=True),
    chat_id=st.just(CHAT),
    reply=replies,
    answers=st.lists(st.just("m1"), max_size=2).map(tuple),
    created_at=st.floats(0, 2**40),
)
_KINDS: tuple[type[Contract], ...] = (CustomerMessage, OutboxEntry, Reply, Draft, Turn)
_strange = st.one_of(
    nearly(messages.map(lambda message: json.loads(message.model_dump_json()))),
    nearly(entries.map(lambda entry: json.loads(entry.model_dump_json()))),
    anything,
).map(json.dumps)
rows = st.one_of(
    _strange, short_texts.map(json.dumps), st.sampled_from(["", "{", "[" * 3000, '{"id":"e1"}', "\ufffd"])
)


@contextmanager
def _read() -> Iterator[Check]:
    def check(row: str) -> None:
        for kind in _KINDS:
            try:
                record = kind.read(row)
            except ValidationError as error:
                assert row not in str(error) or len(row) < 8
            else:
                assert kind.read(record.model_dump_json()) == record
        try:
            read_message(row)
        except ValidationError:
            return

    yield check


@contextmanager
def _stored() -> Iterator[Check]:
    names = Names(7)
    with private_redis() as url, connect(url) as redis, asyncio.Runner() as runner:
        client = connect_async(url)
        outbox = Outbox(client, names, "leader")
        channel, sessions = Channel(redis, 7), Sessions(redis, 7)

        async def drain() -> None:
            """What delivery does, as far as it reads: every entry leaves the outbox."""
            assert await outbox.lead()
            for number in range(10):
                try:
                    turn = await outbox.begin(CHAT, str(number))
                except ValidationError:
                    await outbox.settle(CHAT, str(number), "refused", last=True)
                    continue
                if turn.step == "empty":
                    return
                await outbox.settle(CHAT, str(number), "sent", last=True)
            raise AssertionError("an entry stays at the head for ever")

        def check(given: tuple[str, list[str], CustomerMessage, OutboxEntry]) -> None:
            row, turns, message, entry = given
            redis.flushdb()
            redis.rpush(names.history(CHAT), *turns, "{}")
            redis.hset(names.session(CHAT), mapping={"language": turns[0], "owner": turns[-1]})
            sessions.read(CHAT)()
            channel.accept(1, message)
            assert read_message(redis.lindex(names.inbox(CHAT), 0)) == message
            redis.rpush(names.outbox(CHAT), row, entry.model_dump_json())
            redis.sadd(names.outbox_chats, CHAT)
            runner.run(drain())

        yield check
        try:
            runner.run(client.aclose())
        except RedisError:
            pass


PROPERTIES = [
    Property("records are read or refused", 8, rows, _read),
    Property(
        "what is stored stops nothing",
        4,
        st.tuples(rows, st.lists(rows, min_size=1, max_size=3), messages, entries),
        _stored,
    ),
]
