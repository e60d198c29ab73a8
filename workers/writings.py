"""Longer texts that an admin asks for: written by a job in the queue `bulk`, then held until the admin approves.

    asked ──the job──▶ written ──an admin's button──▶ approved, or gone

One record for each, under a random id that its buttons hold. Nothing that is not approved is ever kept longer than
some days or shown to anybody but who asked for it.
"""

import secrets
import time
from collections.abc import Callable
from typing import Literal

import redis
from redis.client import Pipeline

from workers.channel import Channel, Names, enqueue_writing
from workers.contracts import Button, Contract, Language, OutboxEntry, Reply, WritingKind

HELD_SECONDS = 7 * 86400
APPROVED_KEPT = 200
"""The newest approved texts."""

Decided = Literal["done", "unknown"]

_FINISH = """
local writing, outbox, chats = unpack(KEYS)
local before, after, seconds, entry, chat, wake = unpack(ARGV)
if redis.call('GET', writing) ~= before then return 0 end
if after == '' then redis.call('DEL', writing) else redis.call('SET', writing, after, 'EX', seconds) end
redis.call('RPUSH', outbox, entry)
redis.call('SADD', chats, chat)
redis.call('PUBLISH', wake, chat)
return 1
"""


class Order(Contract):
    """What an admin asked for, and the text once it is written."""

    admin_id: int
    language: Language
    kind: WritingKind
    subject: str = ""
    facts: tuple[str, ...] = ()
    text: str = ""
    """Empty until it is written."""
    is_sound: bool = False
    """Whether the check found nothing without a source."""


class Approved(Contract):
    """A text that an admin has let pass."""

    admin_id: int
    kind: WritingKind
    subject: str
    language: Language
    text: str
    at: float


class Writings:
    """The bot's writes. Synchronous, like the channel that it writes through."""

    def __init__(self, channel: Channel, connection: redis.Redis) -> None:
        self._channel = channel
        self._names = channel.names
        self._redis = connection

    def ask(self, update_id: int, writing_id: str, order: Order, notice: OutboxEntry) -> bool:
        """Have a text written, and say so. False: done before."""

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.set(self._names.writing(writing_id), order.model_dump_json(), ex=HELD_SECONDS)
            enqueue_writing(self._redis, pipe, self._names, writing_id, cause=str(update_id))
            self._channel.queue_reply(pipe, notice)

        return self._channel.once(update_id, write)

    def approve(
        self, update_id: int, writing_id: str, admin_id: int, notice: Callable[[Order], OutboxEntry]
    ) -> Decided:
        """Keep a text among the approved ones and show it. unknown: this admin has no sound text of that name."""

        def queue(pipe: Pipeline, order: Order) -> None:
            approved = Approved(
                admin_id=admin_id, kind=order.kind, subject=order.subject, language=order.language,
                text=order.text, at=round(time.time(), 3),
            )  # fmt: skip
            pipe.lpush(self._names.writings, approved.model_dump_json())
            pipe.ltrim(self._names.writings, 0, APPROVED_KEPT - 1)
            self._channel.queue_reply(pipe, notice(order))

        return self._decide(update_id, writing_id, admin_id, queue, lambda order: order.is_sound)

    def drop(self, update_id: int, writing_id: str, admin_id: int, notice: OutboxEntry) -> Decided:
        """Throw a text away."""
        return self._decide(
            update_id,
            writing_id,
            admin_id,
            lambda pipe, order: self._channel.queue_reply(pipe, notice),
            lambda order: bool(order.text),
        )

    def approved(self) -> list[Approved]:
        """The approved texts, newest first."""
        return [Approved.read(raw) for raw in self._redis.lrange(self._names.writings, 0, -1)]

    def _decide(
        self,
        update_id: int,
        writing_id: str,
        admin_id: int,
        queue: Callable[[Pipeline, Order], None],
        allowed: Callable[[Order], bool],
    ) -> Decided:
        key = self._names.writing(writing_id)
        outcome: list[Decided] = ["done"]

        def write(pipe: Pipeline) -> None:
            raw = pipe.get(key)
            order = Order.read(raw) if raw else None
            pipe.multi()
            if order is None or order.admin_id != admin_id or not allowed(order):
                outcome[0] = "unknown"
            else:
                pipe.delete(key)
                queue(pipe, order)

        self._channel.once(update_id, write, watch=(key,))
        return outcome[0]


def read_order(connection: redis.Redis, names: Names, writing_id: str) -> Order | None:
    """What is to be written, or None if it is written or gone."""
    raw = connection.get(names.writing(writing_id))
    order = Order.read(raw) if raw else None
    return order if order and not order.text else None


def hold(
    connection: redis.Redis,
    names: Names,
    writing_id: str,
    order: Order,
    text: str,
    is_sound: bool,
    shown: str,
    buttons: tuple[Button, ...],
) -> bool:
    """Put a finished text before its admin. An empty one ends the matter. False: another execution did it before."""
    after = order.model_copy(update={"text": text, "is_sound": is_sound}).model_dump_json() if text else ""
    rows = (buttons,) if buttons else ()
    reply = Reply(kind="notice", language=order.language, text=shown, buttons=rows)
    entry = OutboxEntry(id=f"w{writing_id}", chat_id=order.admin_id, reply=reply, created_at=time.time())
    keys = [names.writing(writing_id), names.outbox(order.admin_id), names.outbox_chats]
    told: list[str | int] = [
        *(order.model_dump_json(), after, HELD_SECONDS, entry.model_dump_json()),
        *(order.admin_id, names.outbox_wake),
    ]
    return bool(connection.eval(_FINISH, len(keys), *keys, *map(str, told)))


def new_writing_id() -> str:
    """A name that nobody can guess."""
    return secrets.token_hex(8)
