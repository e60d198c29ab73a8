"""Commands of the shop's admins, in their private chats with the bot.

For everybody else these commands do not exist: no handler here takes them, and the customer's router says so.
"""

import asyncio
from collections.abc import Collection

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from bot.alerts import Alerts
from bot.handlers.filters import Matches
from bot.intake import Incoming, Intake
from bot.monitor.access import LINK_SECONDS, Links
from bot.texts import Texts
from workers.contracts import Button
from workers.operations import Act, Operations, Overview, QueueFigures
from workers.settings import QUEUES

_ALERTS_SHOWN = 5


def make_router(admin_ids: Collection[int]) -> Router:
    """A new router, closed to all but the admins."""
    router = Router(name="admin")
    is_admin = F.from_user.id.in_(frozenset(admin_ids))
    router.message.filter(Matches(is_admin), Matches(F.chat.type == ChatType.PRIVATE))
    router.message.register(queues, Command("queues"))
    router.message.register(stats, Command("stats"))
    router.message.register(dashboard, Command("dashboard"))
    router.message.register(pause, Command("pause"))
    router.message.register(resume, Command("resume"))
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


async def dashboard(message: Message, incoming: Incoming, intake: Intake, links: Links) -> None:
    """/dashboard: a link that lets this admin in once. Telegram wants https under a button, so others stand in the text."""
    texts, link = incoming.texts, links.for_admin(incoming.user_id)
    text = texts.dashboard_link.format(minutes=LINK_SECONDS // 60)
    if not links.is_public:
        await intake.say(incoming, f"{text}\n\n{link}")
        return
    here = Button(text=texts.dashboard_here, app=links.app)
    await intake.say(incoming, text, [[here], [Button(text=texts.dashboard_browser, url=link)]])


async def pause(
    message: Message, command: CommandObject, incoming: Incoming, intake: Intake, operations: Operations
) -> None:
    """/pause [queue …]: workers take nothing more from these queues, or from all."""
    await _act("pause", incoming.texts.queues_paused, command.args, incoming, intake, operations)


async def resume(
    message: Message, command: CommandObject, incoming: Incoming, intake: Intake, operations: Operations
) -> None:
    """/resume [queue …]: workers take from these queues, or from all, again."""
    await _act("resume", incoming.texts.queues_resumed, command.args, incoming, intake, operations)


async def _act(
    act: Act, done: str, names: str | None, incoming: Incoming, intake: Intake, operations: Operations
) -> None:
    chosen = (names or "").replace(",", " ").lower().split() or list(QUEUES)
    if unknown := [name for name in chosen if name not in QUEUES]:
        text = incoming.texts.queue_unknown.format(name=unknown[0], queues=", ".join(QUEUES))
        await intake.say(incoming, text)
        return
    for name in chosen:
        await asyncio.to_thread(operations.act, act, name, incoming.user_id)
    await intake.say(incoming, done.format(queues=", ".join(chosen)))


def describe_queues(overview: Overview, texts: Texts) -> str:
    """The figures as an admin reads them."""
    lines = [_describe_queue(queue, texts) for queue in overview.queues]
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


def _describe_queue(queue: QueueFigures, texts: Texts) -> str:
    line = texts.queue_line.format(
        name=queue.name, depth=queue.depth, in_flight=queue.in_flight, failed=queue.failed
    )
    return texts.queue_paused.format(line=line) if queue.paused else line
