"""The mailbox of a chat: who may answer it, what was read, and how a reply is handed in once.

The token of an answer is the execution's id with a turn number. There is no expiry: RQ's lease says which
execution lives. The four transitions are Lua scripts, repeatable after a lost reply; `tests/workers/protocol_model.py`
explores them. Knows RQ's key names, but neither Telegram nor the model.
"""

import contextlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Any, Literal

import redis
from rq.defaults import RQ_KEY_PREFIX

from workers.channel import ALERTS_KEPT, BOTS, Names, enqueue_answer, queue_of
from workers.contracts import CustomerMessage, Draft, OutboxEntry, Turn, read_message
from workers.scripts import Arg, Call, load_script
from workers.sessions import HISTORY_TURNS
from workers.settings import QUEUES

MAX_ATTEMPTS = 3
"""Executions that may begin a turn before the customer gets an apology instead."""
SUSPECT_ATTEMPTS = 2
"""Executions that began a turn and died, after which it is run apart from others of its kind."""
_SWEPT_AT_ONCE = 100

Counter = Literal["answered", "apologies"]


class Suspect(Exception):
    """The turn may be what has killed its workers: run it beside no other suspect, so that it takes nobody along."""


class Fenced(Exception):
    """The turn is no longer this execution's: what it wrote must not be used."""


@dataclass(frozen=True)
class Work:
    """What an execution has to answer: messages of one customer and one kind, in order of arrival."""

    turn: int
    attempts: int
    messages: tuple[CustomerMessage, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(message.id for message in self.messages)

    @property
    def is_readable(self) -> bool:
        """Whether this version of the program knows what was written."""
        return self.messages[0].kind != "unreadable"

    @property
    def text(self) -> str:
        """A burst as one text."""
        return "\n".join(message.text for message in self.messages if message.text.strip())


@dataclass(frozen=True)
class Handed:
    """What a commit hands in, beside the reply itself."""

    entry: OutboxEntry
    counter: Counter
    turn: Turn | None = None
    shown: tuple[tuple[str, float], ...] | None = None
    """All products shown so far and when, if there are new ones."""
    alert: str = ""


class Mailbox:
    """The mailboxes of one bot's chats, as one worker's main thread uses them. `execution` is RQ's `job:execution`."""

    def __init__(self, connection: redis.Redis, bot_id: int, session_days: float = 30.0) -> None:
        self.names = Names(bot_id)
        self._redis = connection
        self._session_seconds = math.ceil(session_days * 86400)
        self._registries = [f"{RQ_KEY_PREFIX}:wip:{queue}" for queue in QUEUES]
        self._queues = [f"{RQ_KEY_PREFIX}:queue:{queue}" for queue in QUEUES]

    def claim(self, chat_id: int, execution: str, *, alone: bool = True) -> Call[Work | None]:
        """Take the chat's next turn and count the attempt. None: there is nothing for this execution to do.

        Raises Suspect for a turn that only an execution that runs it `alone` may take.
        """
        names = self.names
        keys = [names.claim(chat_id), names.inbox(chat_id), names.waiting, names.session(chat_id)]
        job_id = execution.rpartition(":")[0]

        def read(reply: list[Any]) -> Work | None:
            state, *rest = reply
            if state == b"suspect":
                raise Suspect
            if state != b"claimed":
                return None
            turn, attempts, *raw = rest
            return Work(int(turn), int(attempts), _leading_run(raw))

        args: list[Arg] = [execution, job_id, chat_id, "" if alone else SUSPECT_ATTEMPTS, names.stats]
        return Call(load_script("claim"), [*keys, *self._registries], args, read, self._redis)

    def grown(self, chat_id: int, execution: str, work: Work) -> Call[Work | None]:
        """The same turn with what has arrived since, None if nothing has. Raises Fenced."""

        def read(reply: list[Any] | None) -> Work | None:
            if reply is None:
                raise Fenced
            messages = _leading_run(reply)
            return Work(work.turn, work.attempts, messages) if len(messages) > len(work.messages) else None

        keys = [self.names.claim(chat_id), self.names.inbox(chat_id)]
        return Call(load_script("grown"), keys, [execution, work.turn], read, self._redis)

    def commit(self, chat_id: int, execution: str, work: Work, handed: Handed) -> Call[Work | None]:
        """Hand in the reply to exactly what was read; the chat's next turn, or None. Raises Fenced."""
        names = self.names

        def read(reply: list[Any]) -> Work | None:
            state, *rest = reply
            if state == b"fenced":
                raise Fenced
            if state == b"done":
                return None
            turn, *raw = rest
            return Work(int(turn), 0, _leading_run(raw))

        return Call(
            load_script("commit"),
            keys=[
                names.claim(chat_id),
                names.inbox(chat_id),
                names.waiting,
                names.history(chat_id),
                names.session(chat_id),
                names.outbox(chat_id),
                names.outbox_chats,
                names.stats,
                names.alerts,
            ],
            args=[
                execution,
                work.turn,
                chat_id,
                names.outbox_wake,
                handed.entry.model_dump_json(),
                handed.turn.model_dump_json() if handed.turn else "",
                HISTORY_TURNS,
                self._session_seconds,
                "" if handed.shown is None else json.dumps([name for name, _ in handed.shown]),
                handed.counter,
                handed.alert,
                ALERTS_KEPT,
                "" if handed.shown is None else json.dumps({name: round(at) for name, at in handed.shown}),
                *work.ids,
            ],
            read=read,
            connection=self._redis,
        )

    def let_go(self, chat_id: int, execution: str, work: Work) -> None:
        """Put the chat behind the others that wait, with a job for what is in its inbox."""
        names = self.names
        with self._redis.pipeline() as pipe:
            pipe.watch(names.claim(chat_id))
            if pipe.hget(names.claim(chat_id), "execution") != execution.encode():
                return
            pipe.multi()
            pipe.delete(names.claim(chat_id))
            enqueue_answer(
                self._redis, pipe, names, chat_id, queue_of(work.messages[0].kind), f"next-{token_hex(4)}"
            )
            # Changed meanwhile: the chat was taken away, and whoever did that has seen to it.
            with contextlib.suppress(redis.WatchError):
                pipe.execute()

    def draft(self, execution: str, work: Work, draft: Draft) -> Call[bool]:
        """Show a growing answer, unless the turn is over."""
        keys = [self.names.claim(draft.chat_id)]
        args: list[Arg] = [execution, work.turn, self.names.drafts, draft.model_dump_json()]
        return Call(load_script("draft"), keys, args, bool, self._redis)

    def sweep(self, age: float) -> int:
        """Give a new job to each chat that has waited `age` seconds although nobody will come; how many there were.

        Also forgets who has not written for as long as a session lives.
        """
        self._redis.zremrangebyscore(
            self.names.audience, "-inf", f"({int(time.time() - self._session_seconds)}"
        )
        keys = [self.names.waiting, *self._queues, *self._registries]
        oldest = int((time.time() - age) * 1000)
        args: list[Arg] = [
            *(len(self._queues), self.names.chat_prefix, RQ_KEY_PREFIX, oldest, _SWEPT_AT_ONCE)
        ]
        stranded = Call(load_script("sweep"), keys, args, list, self._redis)()
        for chat_id in stranded:
            with self._redis.pipeline() as pipe:
                pipe.multi()
                enqueue_answer(
                    self._redis, pipe, self.names, int(chat_id), QUEUES[0], cause=f"sweep-{token_hex(4)}"
                )
                pipe.hincrby(self.names.stats, "swept")
                pipe.execute()
        return len(stranded)


def known_bots(connection: redis.Redis) -> list[int]:
    """The bots whose chats have ever waited in this Redis."""
    return sorted(int(member) for member in connection.smembers(BOTS))


def _kind_of(message: CustomerMessage) -> tuple[str, ...]:
    return message.kind, str(message.user_id), message.press, message.product_id


def _leading_run(raw: Sequence[bytes]) -> tuple[CustomerMessage, ...]:
    """The first messages that can be answered together: of one kind and, in a group, of one customer."""
    messages = [read_message(item) for item in raw]
    run = messages[:1]
    for message in messages[1:]:
        if _kind_of(message) != _kind_of(run[0]):
            break
        run.append(message)
    return tuple(run)
