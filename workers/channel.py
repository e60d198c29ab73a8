"""The channel between the bot and the workers: every Redis name once, and the bot's writes to it.

Each write happens once per update: it is one transaction with a marker of the update, so it can be repeated
after any error, a lost reply included. Knows nothing of Telegram and nothing of the model.
"""

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple

import redis
import redis.asyncio
import rq
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry
from rq.exceptions import DeserializationError

from workers.contracts import CustomerMessage, EventRecord, Language, OutboxEntry
from workers.settings import QUEUES, SettingsError

BOTS = "kefu:bots"
"""Set of the ids of all bots whose chats wait in this Redis."""
WORK_PATTERN = "kefu:*:work"
"""Any message on such a channel says that there may be work, whichever bot it is for."""
WORKER_PREFIX = "kefu:worker:"
"""String: a worker's own figures, by the worker's name; expires soon after its last heartbeat."""
WORKER_SECONDS = 15

EVENTS_KEPT = 200
"""The newest events of a chat that suggestions rest on."""

ALERTS_KEPT = 200
"""The newest alerts of a bot that an admin can still look at."""

JOB_FUNCTION = "workers.jobs.answer"
JOB_TIMEOUT = 120
JOB_RETRIES = 10
FAILED_JOB_SECONDS = 7 * 24 * 3600
SEEN_SECONDS = 48 * 3600
RECENT_SECONDS = 60
_ATTEMPTS = 8

_LOOK = """
return {
    redis.call('EXISTS', KEYS[1]),
    redis.call('HGET', KEYS[2], 'owner') == 'person' and 1 or 0,
    redis.call('LLEN', KEYS[3]),
    redis.call('ZCARD', KEYS[4]),
    redis.call('ZSCORE', KEYS[4], ARGV[1]) and 1 or 0,
    tonumber(redis.call('GET', KEYS[5]) or 0)
}
"""
"""All that the intake must know, in one round trip between WATCH and MULTI."""
_JOBS_AT_ONCE = 500
_OUTAGES = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ClusterDownError,
)
_OUTAGE_CODE = re.compile("(^|-)(OOM|READONLY|MISCONF|NOREPLICAS|MASTERDOWN) ")
"""What redis-py has no class for; in the error of a script the code may stand inside."""


@dataclass(frozen=True)
class Names:
    """All keys and channels of one bot."""

    bot_id: int

    def _key(self, *parts: object) -> str:
        return ":".join(("kefu", str(self.bot_id), *map(str, parts)))

    def seen(self, update_id: int) -> str:
        """String: this update has had its effect."""
        return self._key("seen", update_id)

    @property
    def waiting(self) -> str:
        """Sorted set: chat id by the time (ms) at which its oldest unanswered message was accepted."""
        return self._key("waiting")

    def inbox(self, chat_id: int) -> str:
        """List of CustomerMessage in order of arrival."""
        return self._key("chat", chat_id, "inbox")

    def claim(self, chat_id: int) -> str:
        """Hash of who answers the chat: execution, job, turn, attempts."""
        return self._key("chat", chat_id, "claim")

    def job(self, chat_id: int) -> str:
        """String: the RQ job that was enqueued last for the chat."""
        return self._key("chat", chat_id, "job")

    def session(self, chat_id: int) -> str:
        """Hash: language, owner, shown."""
        return self._key("chat", chat_id, "session")

    def history(self, chat_id: int) -> str:
        """List of Turn, newest last."""
        return self._key("chat", chat_id, "history")

    def events(self, chat_id: int) -> str:
        """List of EventRecord, newest last, capped."""
        return self._key("chat", chat_id, "events")

    def recent(self, chat_id: int) -> str:
        """String: messages of the minute that began with the first of them."""
        return self._key("chat", chat_id, "recent")

    def outbox(self, chat_id: int) -> str:
        """List of OutboxEntry; its head is sent next."""
        return self._key("chat", chat_id, "outbox")

    def sending(self, chat_id: int) -> str:
        """Hash: how far the delivery of the outbox's head has come."""
        return self._key("chat", chat_id, "sending")

    @property
    def outbox_chats(self) -> str:
        """Set of the chats that have something in their outbox."""
        return self._key("outbox", "chats")

    @property
    def outbox_leader(self) -> str:
        """String: the random token of the one bot process that delivers."""
        return self._key("outbox", "leader")

    @property
    def outbox_wake(self) -> str:
        """Pub/sub channel: the id of a chat whose outbox has grown."""
        return self._key("outbox", "wake")

    @property
    def work(self) -> str:
        """Pub/sub channel: any message wakes idle workers."""
        return self._key("work")

    @property
    def drafts(self) -> str:
        """Pub/sub channel of Draft; one may be lost."""
        return self._key("drafts")

    @property
    def stats(self) -> str:
        """Hash of counters."""
        return self._key("stats")

    @property
    def alerts(self) -> str:
        """List of what an admin should know, newest first, bounded. Holds no chat id."""
        return self._key("alerts")

    def of_chat(self, chat_id: int) -> tuple[str, ...]:
        """Every key that holds something of one chat alone."""
        asked = (self.inbox, self.claim, self.job, self.recent)
        told = (self.session, self.history, self.events, self.outbox, self.sending)
        return tuple(name(chat_id) for name in (*asked, *told))


class Accepted(Enum):
    """What became of a customer's message at the intake."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    FULL = "full"
    WITH_PERSON = "with_person"
    TOO_MANY = "too_many"
    IGNORED = "ignored"


class _Look(NamedTuple):
    """What the intake knows before it decides, in the order of the script."""

    is_seen: int
    with_person: int
    in_inbox: int
    waiting: int
    is_waiting: int
    recent: int


class Channel:
    """The bot's side: messages in, replies of commands out. Synchronous; used by one thread at a time.

    `connection` comes from `connect` and returns bytes, as RQ needs them.
    """

    def __init__(
        self,
        connection: redis.Redis,
        bot_id: int,
        *,
        queue_limit: int = 2000,
        chat_limit: int = 20,
        customer_limit: int = 0,
        session_days: float = 30.0,
    ) -> None:
        self.names = Names(bot_id)
        self._redis = connection
        self._queue_limit = queue_limit
        self._chat_limit = chat_limit
        self._customer_limit = customer_limit
        self._session_seconds = math.ceil(session_days * 86400)

    def accept(self, update_id: int, message: CustomerMessage, event: EventRecord | None = None) -> Accepted:
        """Put a message into its chat's inbox and enqueue a job, once per update; with it what the customer did.

        FULL and TOO_MANY write nothing: say so with `turn_away`. IGNORED: the customer has been told already that
        these are too many. While a person has the conversation no job is made, and nothing is too many.
        After a Redis error call it again: DUPLICATE then means that the message is in.
        """
        names, chat_id = self.names, message.chat_id
        keys = (
            names.seen(update_id),
            names.session(chat_id),
            names.inbox(chat_id),
            names.waiting,
            names.recent(chat_id),
        )
        for attempt in range(_ATTEMPTS):
            with self._redis.pipeline() as pipe:
                pipe.watch(names.seen(update_id), names.session(chat_id))
                look = _Look(*map(int, pipe.eval(_LOOK, len(keys), *keys, str(chat_id))))
                accepted = self._judge(look)
                if accepted is Accepted.DUPLICATE:
                    break
                if accepted in (Accepted.FULL, Accepted.TOO_MANY):
                    return accepted
                pipe.multi()
                self._write_accepted(pipe, update_id, message, accepted)
                self._write_event(pipe, message.chat_id, event)
                try:
                    pipe.execute()
                    return accepted
                except redis.WatchError:
                    if attempt == _ATTEMPTS - 1:
                        raise
        self._redis.hincrby(names.stats, "duplicates")
        return Accepted.DUPLICATE

    def _judge(self, look: "_Look") -> Accepted:
        if look.is_seen:
            return Accepted.DUPLICATE
        if look.with_person:
            return Accepted.WITH_PERSON
        if self._customer_limit and look.recent >= self._customer_limit:
            return Accepted.TOO_MANY if look.recent == self._customer_limit else Accepted.IGNORED
        if look.in_inbox >= self._chat_limit:
            return Accepted.TOO_MANY
        if look.waiting >= self._queue_limit and not look.is_waiting:
            return Accepted.FULL
        return Accepted.ACCEPTED

    def _write_accepted(
        self, pipe: Pipeline, update_id: int, message: CustomerMessage, accepted: Accepted
    ) -> None:
        names, chat_id = self.names, message.chat_id
        if accepted is not Accepted.WITH_PERSON:
            self._count_recent(pipe, chat_id)
        if accepted is Accepted.IGNORED:
            pipe.hincrby(names.stats, "too_many")
        else:
            pipe.rpush(names.inbox(chat_id), message.model_dump_json())
            pipe.hincrby(names.stats, "accepted")
        if accepted is Accepted.WITH_PERSON:
            pipe.ltrim(names.inbox(chat_id), -self._chat_limit, -1)
        elif accepted is Accepted.ACCEPTED:
            pipe.zadd(names.waiting, {str(chat_id): int(message.accepted_at * 1000)}, nx=True)
            queue = "suggest" if message.kind == "suggest" else "support"
            enqueue_answer(self._redis, pipe, names, chat_id, queue, cause=str(update_id))
        pipe.set(names.seen(update_id), 1, ex=SEEN_SECONDS)

    def _count_recent(self, pipe: Pipeline, chat_id: int) -> None:
        if self._customer_limit:
            pipe.set(self.names.recent(chat_id), 0, ex=RECENT_SECONDS, nx=True)
            pipe.incr(self.names.recent(chat_id))

    def _write_event(self, pipe: Pipeline, chat_id: int, event: EventRecord | None) -> None:
        if event is not None:
            key = self.names.events(chat_id)
            pipe.rpush(key, event.model_dump_json())
            pipe.ltrim(key, -EVENTS_KEPT, -1)
            pipe.expire(key, self._session_seconds)

    def note(self, update_id: int, chat_id: int, event: EventRecord) -> bool:
        """Remember what a customer did, without a reply. False: done before."""

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            self._write_event(pipe, chat_id, event)

        return self._once(update_id, write)

    def respond(
        self,
        update_id: int,
        entries: Sequence[OutboxEntry],
        *,
        language: Language | None = None,
        event: EventRecord | None = None,
    ) -> bool:
        """Queue a command's own reply; `language` and `event` are remembered for these chats. False: done before."""

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            for entry in entries:
                self._write_event(pipe, entry.chat_id, event)
            for entry in entries:
                if language is not None:
                    pipe.hset(self.names.session(entry.chat_id), "language", language)
                    pipe.expire(self.names.session(entry.chat_id), self._session_seconds)
                self._queue_reply(pipe, entry)

        return self._once(update_id, write)

    def turn_away(
        self, update_id: int, entry: OutboxEntry, reason: Literal["turned_away", "too_many"] = "turned_away"
    ) -> bool:
        """Tell a customer why a message was not taken in, once per update, and count it as `reason`."""

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            self._queue_reply(pipe, entry)
            self._count_recent(pipe, entry.chat_id)
            pipe.hincrby(self.names.stats, reason)

        return self._once(update_id, write)

    def reset(self, update_id: int, chat_id: int, entry: OutboxEntry) -> bool:
        """Forget the conversation but not the settings; an answer in the making is fenced off.

        Messages that still wait are dropped; `entry`, the confirmation, becomes their outcome.
        """
        names = self.names
        keys = (names.inbox(chat_id), names.claim(chat_id), names.job(chat_id), names.history(chat_id))

        def write(pipe: Pipeline) -> None:
            answered = self._with_pending(pipe, chat_id, entry)
            pipe.multi()
            pipe.delete(*keys)
            pipe.hdel(names.session(chat_id), "shown")
            pipe.zrem(names.waiting, str(chat_id))
            self._queue_reply(pipe, answered)

        return self._once(update_id, write, watch=(names.inbox(chat_id),))

    def forget(self, update_id: int, chat_id: int, entry: OutboxEntry) -> bool:
        """Delete everything that is known of a chat, then queue the confirmation. False: done before."""
        names = self.names
        self._delete_failed_jobs(chat_id)

        def write(pipe: Pipeline) -> None:
            answered = self._with_pending(pipe, chat_id, entry)
            pipe.multi()
            pipe.delete(*names.of_chat(chat_id))
            pipe.zrem(names.waiting, str(chat_id))
            pipe.srem(names.outbox_chats, str(chat_id))
            self._queue_reply(pipe, answered)

        return self._once(update_id, write, watch=(names.inbox(chat_id),))

    def hand_over(self, update_id: int, chat_id: int, entry: OutboxEntry) -> bool:
        """Give the conversation to a person: the bot falls silent, a running answer is fenced off.

        Messages that still wait stay in the inbox for the person; `entry`, the notice, is their outcome.
        """
        names = self.names

        def write(pipe: Pipeline) -> None:
            answered = self._with_pending(pipe, chat_id, entry)
            pipe.multi()
            pipe.hset(names.session(chat_id), "owner", "person")
            self._keep_for_person(pipe, chat_id)
            pipe.delete(names.claim(chat_id))
            pipe.zrem(names.waiting, str(chat_id))
            self._queue_reply(pipe, answered)

        return self._once(update_id, write, watch=(names.inbox(chat_id),))

    def hand_back(self, update_id: int, chat_id: int, entries: Sequence[OutboxEntry] = ()) -> bool:
        """Give the conversation back to the bot. What the person has seen is not answered again."""
        names = self.names

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.hset(names.session(chat_id), "owner", "bot")
            pipe.delete(names.inbox(chat_id), names.claim(chat_id))
            for entry in entries:
                self._queue_reply(pipe, entry)

        return self._once(update_id, write)

    def waiting(self) -> int:
        """How many chats wait, for what a turned-away customer is told."""
        return int(self._redis.zcard(self.names.waiting))

    def _once(self, update_id: int, write: Callable[[Pipeline], None], watch: tuple[str, ...] = ()) -> bool:
        """Run `write` and mark the update as seen, in one transaction. False: it was seen before.

        `write` reads what it needs, calls `pipe.multi()` and queues its commands.
        """
        seen = self.names.seen(update_id)
        for attempt in range(_ATTEMPTS):
            with self._redis.pipeline() as pipe:
                try:
                    pipe.watch(seen, *watch)
                    if pipe.exists(seen):
                        return False
                    write(pipe)
                    pipe.set(seen, 1, ex=SEEN_SECONDS)
                    pipe.execute()
                    return True
                except redis.WatchError:
                    if attempt == _ATTEMPTS - 1:
                        raise
        raise AssertionError("unreachable")

    def _keep_for_person(self, pipe: Pipeline, chat_id: int) -> None:
        """What is said to a person is forgotten together with who has the conversation, else the bot would answer it."""
        pipe.expire(self.names.session(chat_id), self._session_seconds)
        pipe.expire(self.names.inbox(chat_id), self._session_seconds)

    def _delete_failed_jobs(self, chat_id: int) -> None:
        """Failed jobs are kept to be looked at, and name their chat."""
        for name in QUEUES:
            registry = rq.Queue(name, connection=self._redis, serializer="json").failed_job_registry
            ids = registry.get_job_ids(cleanup=False)
            for start in range(0, len(ids), _JOBS_AT_ONCE):
                some = ids[start : start + _JOBS_AT_ONCE]
                for job in rq.job.Job.fetch_many(some, connection=self._redis, serializer="json"):
                    if job and self._is_of(chat_id, job):
                        registry.remove(job, delete_job=True)

    def _is_of(self, chat_id: int, job: rq.job.Job) -> bool:
        try:
            return tuple(job.args) == (self.names.bot_id, chat_id)
        except DeserializationError:  # somebody else's, on one of our queues
            return False

    def _with_pending(self, pipe: Pipeline, chat_id: int, entry: OutboxEntry) -> OutboxEntry:
        raw = pipe.lrange(self.names.inbox(chat_id), 0, -1)
        pending = tuple(CustomerMessage.model_validate_json(item).id for item in raw)
        return entry.model_copy(update={"answers": entry.answers + pending})

    def _queue_reply(self, pipe: Pipeline, entry: OutboxEntry) -> None:
        pipe.rpush(self.names.outbox(entry.chat_id), entry.model_dump_json())
        pipe.sadd(self.names.outbox_chats, str(entry.chat_id))
        pipe.publish(self.names.outbox_wake, str(entry.chat_id))


def enqueue_answer(
    connection: redis.Redis, pipe: Pipeline, names: Names, chat_id: int, queue: str, cause: str
) -> None:
    """Add to a transaction what makes a job for a chat. The job's id sorts by time and names its cause."""
    job_id = f"{time.time_ns() // 1_000_000:013d}-{cause}"
    rq.Queue(queue, connection=connection, serializer="json").enqueue(
        JOB_FUNCTION,
        args=(names.bot_id, chat_id),
        job_id=job_id,
        description="answer",
        timeout=JOB_TIMEOUT,
        result_ttl=0,
        failure_ttl=FAILED_JOB_SECONDS,
        retry=rq.Retry(max=JOB_RETRIES),
        pipeline=pipe,
    )
    pipe.set(names.job(chat_id), job_id, ex=SEEN_SECONDS)
    pipe.sadd(BOTS, names.bot_id)
    pipe.publish(names.work, queue)


def connect(url: str, *, decode_responses: bool = False) -> redis.Redis:
    """A client that never repeats a command by itself.

    redis-py 8 repeats up to ten times by default, and a transaction whose reply was lost then runs twice. Here
    an error comes to the caller, who knows whether the whole step may be repeated.
    """
    with _clear_url_error():
        return redis.Redis.from_url(
            url,
            decode_responses=decode_responses,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=5,
            socket_connect_timeout=5,
            health_check_interval=15,
        )


def connect_async(url: str, *, decode_responses: bool = True) -> redis.asyncio.Redis:
    """The same for asyncio."""
    with _clear_url_error():
        return redis.asyncio.Redis.from_url(
            url,
            decode_responses=decode_responses,
            retry=AsyncRetry(NoBackoff(), 0),
            socket_timeout=5,
            socket_connect_timeout=5,
            health_check_interval=15,
        )


def is_outage(error: BaseException) -> bool:
    """Whether the same command can succeed once Redis is well again: it is away, starting, failing over, or full."""
    if isinstance(error, _OUTAGES):
        return True
    return isinstance(error, redis.ResponseError) and _OUTAGE_CODE.search(str(error)) is not None


class _clear_url_error:
    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ValueError):
            raise SettingsError(
                "KEFU_REDIS_URL: not an address of a Redis; write redis://host:6379/0, rediss://… or unix:///path."
            ) from None
