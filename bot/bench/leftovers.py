"""What is still in Redis, as long as work is under way and after it has come to rest."""

from redis.asyncio import Redis
from rq.defaults import RQ_KEY_PREFIX

from workers.channel import BOTS, Names
from workers.settings import QUEUES

_WORK = ("inbox", "claim", "outbox", "sending")
"""What a chat has only while something waits in it."""


async def find_pending(redis: Redis, names: Names) -> set[int]:
    """Chats in which something waits."""
    chats = {int(str(chat)) for chat in await redis.zrange(names.waiting, 0, -1)}
    chats |= {int(str(chat)) for chat in await redis.smembers(names.outbox_chats)}
    prefix = names.chat_prefix
    async for key in redis.scan_iter(match=f"{prefix}*", count=1000):
        chat, _, kind = str(key).removeprefix(prefix).partition(":")
        if kind in _WORK:
            chats.add(int(chat))
    return chats


async def is_at_rest(redis: Redis, names: Names) -> bool:
    """Whether no chat waits and no job is queued or running."""
    jobs = [await redis.llen(f"{RQ_KEY_PREFIX}:queue:{queue}") for queue in QUEUES]
    jobs += [await redis.zcard(f"{RQ_KEY_PREFIX}:wip:{queue}") for queue in QUEUES]
    return (
        not any(jobs) and not await redis.zcard(names.waiting) and not await redis.scard(names.outbox_chats)
    )


async def find_leftovers(redis: Redis, names: Names) -> list[str]:
    """Keys that should not be there once nothing waits: work of a chat, and whatever never expires."""
    of_all = (names.stats, names.alerts, names.acts, names.writings, names.waiting, names.outbox_chats)
    kept = (*of_all, names.audience, names.muted, BOTS)
    of_rq = ("workers", "worker:", "queues", "queue:", "failed:")
    keys = [str(key) async for key in redis.scan_iter(count=1000)]
    leftovers = [key for key in keys if key.rpartition(":")[2] in _WORK and key.startswith("kefu:")]
    failed = {
        str(job) for queue in QUEUES for job in await redis.zrange(f"{RQ_KEY_PREFIX}:failed:{queue}", 0, -1)
    }
    for key in keys:
        if (
            key in kept
            or key in leftovers
            or key.startswith(tuple(f"{RQ_KEY_PREFIX}:{name}" for name in of_rq))
        ):
            continue
        if key.removeprefix(f"{RQ_KEY_PREFIX}:job:") in failed:
            continue
        if await redis.ttl(key) == -1:
            leftovers.append(key)
    return leftovers
