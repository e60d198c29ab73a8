"""The intake: once per update, bounded, in one transaction."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import rq
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import ConnectionError
from rq.utils import utcparse

from tests.redis_proxy import RedisProxy
from tests.workers.shop_floor import BOT, message, notice
from workers.channel import Accepted, Channel, enqueue_answer
from workers.connection import connect, connect_async
from workers.contracts import OutboxEntry
from workers.sessions import SessionReader, Sessions
from workers.settings import SettingsError


@pytest.fixture
def channel(redis: Redis) -> Channel:
    return Channel(redis, BOT, queue_limit=3, chat_limit=4)


def queue(redis: Redis, name: str = "support") -> rq.Queue:
    return rq.Queue(name, connection=redis, serializer="json")


def test_accepted_message_is_in_the_inbox_and_has_a_job(channel: Channel, redis: Redis) -> None:
    assert channel.accept(1, message(1)) is Accepted.ACCEPTED
    assert redis.llen(channel.names.inbox(5)) == 1
    assert redis.zscore(channel.names.waiting, "5") is not None
    (job,) = queue(redis).jobs
    assert (job.func_name, job.args, job.retries_left, job.result_ttl, job.timeout) == (
        "workers.jobs.answer",
        [BOT, 5],
        10,
        0,
        120,
    )
    assert job.id.endswith("-1") and "5" not in job.id.split("-")[1]


def test_repeated_update_is_one_job(channel: Channel, redis: Redis) -> None:
    channel.accept(1, message(1))
    assert channel.accept(1, message(1)) is Accepted.DUPLICATE
    assert queue(redis).count == 1
    assert redis.llen(channel.names.inbox(5)) == 1
    assert redis.hget(channel.names.stats, "duplicates") == b"1"


def test_an_intake_whose_reply_is_lost_is_not_done_twice(redis: Redis, redis_url: str) -> None:
    with RedisProxy(redis_url) as proxy, connect(proxy.url) as client:
        channel = Channel(client, BOT)
        channel.accept(0, message(0, chat_id=6))
        proxy.lose_reply_to(b"EVALSHA")
        with pytest.raises(ConnectionError):
            channel.accept(1, message(1))
        assert channel.accept(1, message(1)) is Accepted.DUPLICATE
        assert proxy.lost == 1
    assert (redis.llen(channel.names.inbox(5)), queue(redis).count) == (1, 2)


def test_a_job_of_the_intake_is_what_rq_itself_would_have_written(channel: Channel, redis: Redis) -> None:
    channel.accept(1, message(1))
    with redis.pipeline() as pipe:
        enqueue_answer(redis, pipe, channel.names, 5, "support", cause="2")
        pipe.execute()
    ours, theirs = (redis.hgetall(job.key) for job in queue(redis).jobs)
    for times in ("created_at", "enqueued_at"):
        assert utcparse(ours.pop(times.encode()).decode()) <= utcparse(theirs.pop(times.encode()).decode())
    assert ours == theirs


def test_two_intakes_of_one_update_are_one(redis: Redis, redis_url: str) -> None:
    with connect(redis_url) as other, ThreadPoolExecutor(2) as threads:
        channels = [Channel(redis, BOT, chat_limit=1000), Channel(other, BOT, chat_limit=1000)]
        for update_id in range(30):
            outcomes = list(threads.map(Channel.accept, channels, [update_id] * 2, [message(update_id)] * 2))
            assert set(outcomes) == {Accepted.ACCEPTED, Accepted.DUPLICATE}
    assert queue(redis).count == 30


def test_suggestions_have_their_own_queue(channel: Channel, redis: Redis) -> None:
    channel.accept(1, message(1, kind="suggest", text=""))
    assert (queue(redis).count, queue(redis, "suggest").count) == (0, 1)


def test_a_full_queue_turns_new_chats_away_but_not_waiting_ones(channel: Channel, redis: Redis) -> None:
    for chat_id in (1, 2, 3):
        channel.accept(chat_id, message(chat_id, chat_id=chat_id))
    assert channel.accept(10, message(10, chat_id=10)) is Accepted.FULL
    assert not redis.exists(channel.names.inbox(10))
    assert channel.accept(11, message(11, chat_id=1)) is Accepted.ACCEPTED
    assert channel.waiting() == 3
    assert channel.turn_away(10, notice(chat_id=10))
    assert not channel.turn_away(10, notice(chat_id=10))
    assert redis.llen(channel.names.outbox(10)) == 1


def test_one_chat_cannot_fill_the_queue_alone(channel: Channel) -> None:
    outcomes = [channel.accept(number, message(number)) for number in range(5)]
    # Not FULL: nobody else waits before it.
    assert outcomes == [Accepted.ACCEPTED] * 4 + [Accepted.TOO_MANY]


async def test_a_command_answers_once_and_remembers_the_language(
    channel: Channel, redis: Redis, redis_async: AsyncRedis
) -> None:
    assert channel.respond(1, [notice()], language="zh")
    assert not channel.respond(1, [notice()], language="en")
    assert redis.llen(channel.names.outbox(5)) == 1
    reader = SessionReader(redis_async, BOT)
    assert (await reader.language(5), await reader.owner(5), await reader.language(6)) == ("zh", "bot", None)


def test_forget_deletes_the_failed_jobs_of_the_chat_alone(channel: Channel, redis: Redis) -> None:
    channel.accept(1, message(1, chat_id=5))
    channel.accept(2, message(2, chat_id=6))
    mine, other = queue(redis).jobs
    for job in (mine, other):
        queue(redis).failed_job_registry.add(job, ttl=100)
        queue(redis).remove(job)
    channel.forget(3, 5, notice("confirmation"))
    assert queue(redis).failed_job_registry.get_job_ids(cleanup=False) == [other.id]
    assert not redis.exists(mine.key) and redis.exists(other.key)


def test_a_failed_job_of_others_does_not_keep_forget_from_its_work(channel: Channel, redis: Redis) -> None:
    foreign = rq.Queue("bulk", connection=redis).enqueue("os.getcwd")  # RQ's own default is pickle
    queue(redis, "bulk").failed_job_registry.add(foreign, ttl=100)
    assert channel.forget(3, 5, notice("confirmation"))
    assert redis.exists(foreign.key)


def test_forget_leaves_only_the_confirmation(channel: Channel, redis: Redis) -> None:
    channel.respond(1, [notice("old")], language="zh")
    channel.accept(2, message(2))
    redis.rpush(channel.names.history(5), "x")
    redis.hset(channel.names.claim(5), "execution", "x")
    redis.hset(channel.names.sending(5), "entry", "old")
    assert channel.forget(3, 5, notice("confirmation"))
    assert redis.keys("*chat:5:*") == [channel.names.outbox(5).encode()]
    (raw,) = redis.lrange(channel.names.outbox(5), 0, -1)
    entry = OutboxEntry.model_validate_json(raw)
    assert (entry.id, entry.answers) == ("confirmation", ("m2",))
    assert redis.zscore(channel.names.waiting, "5") is None
    assert redis.smembers(channel.names.outbox_chats) == {b"5"}


def test_reset_keeps_the_language(channel: Channel, redis: Redis) -> None:
    channel.respond(1, [notice()], language="zh")
    redis.rpush(channel.names.history(5), "x")
    channel.reset(2, 5, notice("n2"))
    session = Sessions(redis, BOT).read(5)()
    assert (session.language, session.history) == ("zh", ())


def test_no_job_is_made_while_a_person_has_the_conversation(channel: Channel, redis: Redis) -> None:
    channel.accept(1, message(1))
    channel.hand_over(2, 5, notice())
    assert channel.accept(3, message(3)) is Accepted.WITH_PERSON
    # What was said to the person goes when it is forgotten who has the conversation, else the bot would answer it.
    kept, known = redis.ttl(channel.names.inbox(5)), redis.ttl(channel.names.session(5))
    assert 0 < kept <= known + 1
    assert queue(redis).count == 1
    assert redis.zcard(channel.names.waiting) == 0
    channel.hand_back(4, 5)
    assert not redis.exists(channel.names.inbox(5))
    assert channel.accept(5, message(5)) is Accepted.ACCEPTED


def test_a_wrong_address_is_named() -> None:
    with pytest.raises(SettingsError, match="KEFU_REDIS_URL"):
        connect("localhost:6379")


def test_a_customer_who_writes_too_much_is_told_once_and_then_only_counted(redis: Redis) -> None:
    channel = Channel(redis, BOT, chat_limit=100, customer_limit=2)
    accepted = [channel.accept(number, message(number)) for number in (1, 2)]
    assert accepted == [Accepted.ACCEPTED] * 2
    assert channel.accept(3, message(3)) is channel.accept(3, message(3)) is Accepted.TOO_MANY
    assert channel.turn_away(3, notice(), "too_many") and not channel.turn_away(3, notice(), "too_many")
    assert channel.accept(4, message(4)) is Accepted.IGNORED
    assert channel.accept(4, message(4)) is Accepted.DUPLICATE
    names = channel.names
    assert (redis.llen(names.inbox(5)), redis.llen(names.outbox(5)), queue(redis).count) == (2, 1, 2)
    assert redis.hmget(names.stats, "accepted", "too_many") == [b"2", b"2"]
    assert channel.accept(5, message(5, chat_id=6)) is Accepted.ACCEPTED


def test_too_many_ends_a_minute_after_it_began(redis: Redis) -> None:
    channel = Channel(redis, BOT, customer_limit=1)
    channel.accept(1, message(1))
    assert channel.accept(2, message(2)) is Accepted.TOO_MANY
    assert 0 < redis.ttl(channel.names.recent(5)) <= 60
    channel.turn_away(2, notice(), "too_many")
    assert 0 < redis.ttl(channel.names.recent(5)) <= 60
    redis.delete(channel.names.recent(5))
    assert channel.accept(3, message(3)) is Accepted.ACCEPTED


def test_nothing_is_too_many_for_a_person(redis: Redis) -> None:
    channel = Channel(redis, BOT, customer_limit=1)
    channel.hand_over(1, 5, notice())
    assert {channel.accept(number, message(number)) for number in (2, 3, 4)} == {Accepted.WITH_PERSON}


async def test_a_cancellation_is_never_lost_in_a_command(redis_url: str) -> None:
    """One that came just as a command was sent was swallowed, and the bot ran on after SIGTERM."""

    async def ping_for_ever() -> None:
        async with connect_async(redis_url) as client:
            while True:
                await client.ping()

    for rounds in range(60):
        task = asyncio.create_task(ping_for_ever())
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        task.cancel()
        assert done, f"the task went on after a cancellation in step {rounds}"
