"""The channel between the bot and the workers: every Redis name once, and the bot's writes to it.

Each write happens once per update: it is one script or transaction with a marker of the update, so it can be repeated
after any error, a lost reply included. Knows nothing of Telegram and nothing of the model.
"""

import contextlib
import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

import redis
import redis.asyncio
import rq
from pydantic import ValidationError
from redis.client import Pipeline
from rq.exceptions import DeserializationError
from rq.utils import now, utcformat

from workers.contracts import CustomerMessage, EventRecord, Language, OutboxEntry, read_message
from workers.scripts import Arg, Call, load_script
from workers.settings import QUEUES

BOTS = "kefu:bots"
"""Set of the ids of all bots whose chats wait in this Redis."""
WORK_PATTERN = "kefu:*:work"
"""Any message on such a channel says that there may be work, whichever bot it is for."""
EVENTS_PATTERN = "kefu:*:chat:*:events"
"""Where the events of all chats of all bots are, see `Names.events`."""
FORGOTTEN_PATTERN = "kefu:*:forgotten"
"""Such a channel names chats of a bot whose conversation was deleted."""
WORKER_PREFIX = "kefu:worker:"
"""String: a worker's own figures, by the worker's name; expires soon after its last heartbeat."""
WORKER_SECONDS = 15
PAUSED = "kefu:paused"
"""Set of the queues from which no worker takes jobs until an admin resumes them."""

RETRAINED_PREFIX = "kefu:retrained:"
"""String: on this day the recommender's training has been asked for."""
RETRAINED_SECONDS = 3 * 86400
RETRAIN_TIMEOUT = 4 * 3600

EVENTS_KEPT = 200
"""The newest events of a chat that suggestions rest on."""

ALERTS_KEPT = 200
"""The newest alerts of a bot that an admin can still look at."""
ACTS_KEPT = 100

JOB_FUNCTION = "workers.jobs.answer"
BROADCAST_FUNCTION = "workers.jobs.prepare_broadcast"
WRITE_FUNCTION = "workers.jobs.write"
RETRAIN_FUNCTION = "workers.jobs.retrain"
JOB_FUNCTIONS = (JOB_FUNCTION, BROADCAST_FUNCTION, WRITE_FUNCTION, RETRAIN_FUNCTION)
"""All that a worker runs, whatever else a job names."""
BULK_QUEUE = "bulk"
JOB_TIMEOUT = 120
JOB_RETRIES = 10
FAILED_JOB_SECONDS = 7 * 24 * 3600
SEEN_SECONDS = 48 * 3600
RECENT_SECONDS = 60
_ATTEMPTS = 8
_JOBS_AT_ONCE = 500


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
        """Hash: language, owner, shown, shown_at."""
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
    def chat_prefix(self) -> str:
        """How the keys of every chat begin."""
        return self._key("chat", "")

    @property
    def audience(self) -> str:
        """Sorted set of the private chats that have written, by when (s) they last did. They may get broadcasts."""
        return self._key("audience")

    @property
    def muted(self) -> str:
        """Set of the chats that want no broadcasts."""
        return self._key("muted")

    def broadcast_draft(self, draft_id: str) -> str:
        """String: the text of a broadcast that waits for its confirmation."""
        return self._key("draft", draft_id)

    @property
    def broadcast(self) -> str:
        """Hash: the broadcast that runs, or the last one, with its figures."""
        return self._key("broadcast")

    @property
    def broadcast_left(self) -> str:
        """Sorted set of the chats that the broadcast has still to go to."""
        return self._key("broadcast", "left")

    def writing(self, writing_id: str) -> str:
        """String: a text that an admin has asked for and not decided on yet."""
        return self._key("writing", writing_id)

    @property
    def writings(self) -> str:
        """List of the texts that admins have approved, newest first, bounded."""
        return self._key("writings")

    @property
    def outbox_chats(self) -> str:
        """Set of the chats that have something in their outbox."""
        return self._key("outbox", "chats")

    @property
    def outbox_leader(self) -> str:
        """String: the random token of the one bot process that delivers."""
        return self._key("outbox", "leader")

    @property
    def poller(self) -> str:
        """String: the one process that polls Telegram for updates, while it lives."""
        return self._key("poller")

    @property
    def outbox_wake(self) -> str:
        """Pub/sub channel: the id of a chat whose outbox has grown."""
        return self._key("outbox", "wake")

    @property
    def forgotten(self) -> str:
        """Pub/sub channel: the session key of a chat of which workers shall keep nothing computed."""
        return self._key("forgotten")

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

    @property
    def acts(self) -> str:
        """List of what admins did to the queues, newest first, bounded."""
        return self._key("acts")

    @property
    def series(self) -> str:
        """List of the dashboard's samples, newest first, bounded."""
        return self._key("series")

    def ticket(self, nonce: str) -> str:
        """String: this link to the dashboard has been used."""
        return self._key("ticket", nonce)

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
        self._forms: dict[str, JobForm] = {}

    def accept(self, update_id: int, message: CustomerMessage, event: EventRecord | None = None) -> Accepted:
        """Take a message in now; see `acceptance`."""
        return self.acceptance(update_id, message, event)()

    def acceptance(
        self, update_id: int, message: CustomerMessage, event: EventRecord | None = None
    ) -> Call[Accepted]:
        """Put a message into its chat's inbox and enqueue a job, once per update; with it what the customer did.

        FULL and TOO_MANY write nothing: say so with `turn_away`. IGNORED: the customer has been told already that
        these are too many. While a person has the conversation no job is made, and nothing is too many.
        After a Redis error make it again: DUPLICATE then means that the message is in.
        """
        names, chat_id = self.names, message.chat_id
        form = self._form(queue_of(message.kind))
        job_id = new_job_id(str(update_id))
        keys = (
            names.seen(update_id),
            names.session(chat_id),
            names.inbox(chat_id),
            names.waiting,
            names.recent(chat_id),
            names.stats,
            BOTS,
            names.job(chat_id),
            rq.Queue.redis_queues_keys,
            form.queue_key,
            rq.job.Job.key_for(job_id),
            names.audience,
            names.events(chat_id),
        )
        args = (
            chat_id,
            message.model_dump_json(),
            int(message.accepted_at * 1000),
            self._queue_limit,
            self._chat_limit,
            self._customer_limit,
            RECENT_SECONDS,
            SEEN_SECONDS,
            names.bot_id,
            job_id,
            names.work,
            event.model_dump_json() if event is not None else "",
            EVENTS_KEPT,
            self._session_seconds,
            *form.fill(names.bot_id, chat_id),
        )
        return Call(load_script("accept"), keys, args, _read_accepted, self._redis)

    def _form(self, queue: str) -> "JobForm":
        if queue not in self._forms:
            self._forms[queue] = JobForm(self._redis, queue)
        return self._forms[queue]

    def _note_audience(self, pipe: Pipeline, chat_id: int) -> None:
        if chat_id > 0:
            pipe.zadd(self.names.audience, {str(chat_id): int(time.time())})

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

        return self.once(update_id, write)

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
                self._note_audience(pipe, entry.chat_id)
                self.queue_reply(pipe, entry)

        return self.once(update_id, write)

    def turn_away(
        self, update_id: int, entry: OutboxEntry, reason: Literal["turned_away", "too_many"] = "turned_away"
    ) -> bool:
        """Tell a customer why a message was not taken in, once per update, and count it as `reason`."""

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            self.queue_reply(pipe, entry)
            self._count_recent(pipe, entry.chat_id)
            pipe.hincrby(self.names.stats, reason)

        return self.once(update_id, write)

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
            pipe.publish(names.forgotten, names.session(chat_id))
            pipe.hdel(names.session(chat_id), "shown", "shown_at")
            pipe.zrem(names.waiting, str(chat_id))
            self.queue_reply(pipe, answered)

        return self.once(update_id, write, watch=(names.inbox(chat_id),))

    def forget(self, update_id: int, chat_id: int, entry: OutboxEntry) -> bool:
        """Delete everything that is known of a chat, then queue the confirmation. False: done before."""
        names = self.names
        self._delete_failed_jobs(chat_id)

        def write(pipe: Pipeline) -> None:
            answered = self._with_pending(pipe, chat_id, entry)
            pipe.multi()
            pipe.delete(*names.of_chat(chat_id))
            pipe.publish(names.forgotten, names.session(chat_id))
            for ordered in (names.waiting, names.audience, names.broadcast_left):
                pipe.zrem(ordered, str(chat_id))
            for plain in (names.outbox_chats, names.muted):
                pipe.srem(plain, str(chat_id))
            self.queue_reply(pipe, answered)

        return self.once(update_id, write, watch=(names.inbox(chat_id),))

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
            self.queue_reply(pipe, answered)

        return self.once(update_id, write, watch=(names.inbox(chat_id),))

    def hand_back(self, update_id: int, chat_id: int, entries: Sequence[OutboxEntry] = ()) -> bool:
        """Give the conversation back to the bot. What the person has seen is not answered again."""
        names = self.names

        def write(pipe: Pipeline) -> None:
            pipe.multi()
            pipe.hset(names.session(chat_id), "owner", "bot")
            pipe.delete(names.inbox(chat_id), names.claim(chat_id))
            for entry in entries:
                self.queue_reply(pipe, entry)

        return self.once(update_id, write)

    def waiting(self) -> int:
        """How many chats wait, for what a turned-away customer is told."""
        return int(self._redis.zcard(self.names.waiting))

    def once(self, update_id: int, write: Callable[[Pipeline], None], watch: tuple[str, ...] = ()) -> bool:
        """Run `write` and mark the update as seen, in one transaction. False: it was seen before.

        Every effect of an update goes through here. `write` reads what it needs, calls `pipe.multi()` and queues its commands.
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
        pending = []
        for item in raw:
            with contextlib.suppress(ValidationError):  # no record at all, so it is nobody's message
                pending.append(read_message(item).id)
        return entry.model_copy(update={"answers": (*entry.answers, *pending)})

    def queue_reply(self, pipe: Pipeline, entry: OutboxEntry) -> None:
        """Add to a transaction what puts a reply into its chat's outbox."""
        pipe.rpush(self.names.outbox(entry.chat_id), entry.model_dump_json())
        pipe.sadd(self.names.outbox_chats, str(entry.chat_id))
        pipe.publish(self.names.outbox_wake, str(entry.chat_id))


def queue_of(kind: str) -> str:
    """The queue of a message's kind."""
    return "suggest" if kind == "suggest" else "support"


def new_job_id(cause: str) -> str:
    """An id that sorts by time and names the job's cause."""
    return f"{time.time_ns() // 1_000_000:013d}-{cause}"


def _job_options(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "timeout": JOB_TIMEOUT,
        "result_ttl": 0,
        "failure_ttl": FAILED_JOB_SECONDS,
        "retry": rq.Retry(max=JOB_RETRIES),
    }


class JobForm:
    """RQ's own record of a new job on one queue, of which only the chat and the times are still to be filled in.

    RQ takes longer to make one than Redis to store it.
    """

    def __init__(self, connection: redis.Redis, queue: str) -> None:
        origin = rq.Queue(queue, connection=connection, serializer="json")
        job = origin.create_job(JOB_FUNCTION, args=(0, 0), job_id="-", **_job_options("answer"))
        job.origin, job.enqueued_at = queue, job.created_at
        self.queue_key = origin.key
        self._serializer = job.serializer
        self._fields = job.to_dict()

    def fill(self, bot_id: int, chat_id: int) -> list[Arg]:
        """Fields and values of a job that answers a chat, one after the other."""
        at = utcformat(now())
        data = zlib.compress(self._serializer.dumps((JOB_FUNCTION, None, (bot_id, chat_id), {})))
        fields = self._fields | {"created_at": at, "enqueued_at": at, "data": data}
        return [part for field in fields.items() for part in field]


def enqueue_answer(
    connection: redis.Redis, pipe: Pipeline, names: Names, chat_id: int, queue: str, cause: str
) -> None:
    """Add to a transaction what makes a job for a chat."""
    job_id = _enqueue(connection, pipe, names, queue, JOB_FUNCTION, chat_id, cause)
    pipe.set(names.job(chat_id), job_id, ex=SEEN_SECONDS)


def enqueue_broadcast(
    connection: redis.Redis, pipe: Pipeline, names: Names, broadcast_id: str, cause: str
) -> None:
    """Add to a transaction what makes the job that prepares a broadcast."""
    _enqueue(connection, pipe, names, BULK_QUEUE, BROADCAST_FUNCTION, broadcast_id, cause)


def enqueue_writing(
    connection: redis.Redis, pipe: Pipeline, names: Names, writing_id: str, cause: str
) -> None:
    """Add to a transaction what makes the job that writes a text."""
    _enqueue(connection, pipe, names, BULK_QUEUE, WRITE_FUNCTION, writing_id, cause)


def enqueue_retraining(connection: redis.Redis, day: str) -> bool:
    """Ask for the training of the recommender on what customers did, once a day. False: asked before."""
    done = RETRAINED_PREFIX + day
    outcome = [False]

    def write(pipe: Pipeline) -> None:
        outcome[0] = not pipe.exists(done)
        pipe.multi()
        if not outcome[0]:
            return
        pipe.set(done, "1", ex=RETRAINED_SECONDS)
        rq.Queue(BULK_QUEUE, connection=connection, serializer="json").enqueue_call(
            RETRAIN_FUNCTION, args=(day,), job_id=new_job_id(f"retrain-{day}"), pipeline=pipe,
            **{**_job_options("retrain"), "timeout": RETRAIN_TIMEOUT},
        )  # fmt: skip
        pipe.publish(Names(0).work, BULK_QUEUE)

    connection.transaction(write, done)
    return outcome[0]


def _enqueue(
    connection: redis.Redis,
    pipe: Pipeline,
    names: Names,
    queue: str,
    function: str,
    about: int | str,
    cause: str,
) -> str:
    job_id = new_job_id(cause)
    rq.Queue(queue, connection=connection, serializer="json").enqueue_call(
        function,
        args=(names.bot_id, about),
        job_id=job_id,
        pipeline=pipe,
        **_job_options(function.rpartition(".")[2]),
    )
    pipe.sadd(BOTS, names.bot_id)
    pipe.publish(names.work, queue)
    return job_id


def _read_accepted(word: bytes | str) -> Accepted:
    return Accepted(word.decode() if isinstance(word, bytes) else word)
