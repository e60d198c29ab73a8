"""Commands of the shop's admins, in their private chats with the bot.

For everybody else these commands do not exist: no handler here takes them, and the customer's router says so.
"""

from collections.abc import Collection

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command
from aiogram.types import Message

from bot.alerts import Alerts
from bot.handlers.filters import Matches
from bot.intake import Incoming, Intake
from bot.texts import Texts
from workers.operations import Operations, Overview

_ALERTS_SHOWN = 5


def make_router(admin_ids: Collection[int]) -> Router:
    """A new router, closed to all but the admins."""
    router = Router(name="admin")
    is_admin = F.from_user.id.in_(frozenset(admin_ids))
    router.message.filter(Matches(is_admin), Matches(F.chat.type == ChatType.PRIVATE))
    router.message.register(queues, Command("queues"))
    router.message.register(stats, Command("stats"))
    return router


async def queues(message: Message, incoming: Incoming, intake: Intake, operations: Operations) -> None:
    """/queues: depth, oldest wait, what runs, workers, what failed."""
    await intake.say(incoming, describe_queues(await operations.overview_async(), incoming.texts))


async def stats(
    message: Message, incoming: Incoming, intake: Intake, operations: Operations, alerts: Alerts
) -> None:
    """/stats: the counters and the newest alerts."""
    texts, counters = incoming.texts, (await operations.overview_async()).stats
    lines = [texts.stat_line.format(name=name, value=value) for name, value in sorted(counters.items())]
    latest = await alerts.latest(_ALERTS_SHOWN)
    parts = [texts.stats_title, *(lines or [texts.stats_empty])]
    if latest:
        parts += ["", texts.alerts_title, *latest]
    await intake.say(incoming, "\n".join(parts))


def describe_queues(overview: Overview, texts: Texts) -> str:
    """The figures as an admin reads them."""
    lines = [
        texts.queue_line.format(
            name=queue.name, depth=queue.depth, in_flight=queue.in_flight, failed=queue.failed
        )
        for queue in overview.queues
    ]
    waiting = texts.nobody_waits
    if overview.waiting_chats:
        waiting = texts.chats_wait.format(count=overview.waiting_chats, seconds=round(overview.oldest_wait))
    workers = [
        texts.worker_line.format(
            name=worker.name, busy=worker.in_flight, slots=worker.slots, fill=worker.fill
        )
        for worker in overview.workers
    ]
    return "\n".join(
        [texts.queues_title, *lines, waiting, "", texts.workers_title, *(workers or [texts.no_workers])]
    )
