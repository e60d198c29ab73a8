"""Feeds a broadcast to delivery with what Telegram's limits have to spare, and tells its admin how it goes.

One recipient at a time, at most 20 a second, and only while hardly anybody waits to be served: customers who chat come
first. Its state is in Redis, so whoever leads goes on where another process has ended.
"""

import asyncio
import logging

from redis.exceptions import RedisError

from bot.delivery import Delivery
from bot.limits import Limits
from bot.texts import Texts, texts_in
from workers.broadcasts import Feed, Figures
from workers.contracts import Button

log = logging.getLogger(__name__)

PER_SECOND = 20
"""Ten a second are left for replies, whatever happens."""
_BUSY = 4
"""Chats that may be in service before the broadcast waits."""
_WAIT = 0.02
_IDLE = 1.0
_LOOK_EVERY = 100
_STEP = 25
_OVER, _STOPPED = 100, 101
"""Marks of the last report; those before are percentages."""


class Broadcaster:
    """The feeding of one bot's broadcasts."""

    def __init__(self, feed: Feed, delivery: Delivery, limits: Limits) -> None:
        self._feed = feed
        self._delivery = delivery
        self._limits = limits
        self._fed = 0
        self._is_told = False

    async def run(self) -> None:
        """Feed until cancelled."""
        due = asyncio.get_running_loop().time()
        while True:
            try:
                pause = await self._step()
            except RedisError as error:
                log.warning("the broadcast waits for Redis", extra={"error": type(error).__name__})
                pause = _IDLE
            now = asyncio.get_running_loop().time()
            due = max(due + pause, now)
            await asyncio.sleep(due - now)

    async def _step(self) -> float:
        """Feed one recipient if there is room; seconds until the next try."""
        if not self._delivery.is_leader:
            self._is_told = False
            return _IDLE
        if not self._limits.has_room() or self._delivery.busy > _BUSY:
            return _WAIT
        step, chat_id = await self._feed.next()
        if step == "fed":
            self._delivery.serve(chat_id)
            self._is_told = False
            if self._fed % _LOOK_EVERY == 0:
                await self._report()
            self._fed += 1
            return 1 / PER_SECOND
        if not self._is_told:
            await self._report()
        return _IDLE

    async def _report(self) -> None:
        """Tell the admin at the start, at every quarter, and how it ended."""
        figures = await self._feed.figures()
        if figures is None or figures.state == "confirmed":
            self._is_told = figures is None
            return
        texts = texts_in(figures.language)
        mark, text = _mark(figures, texts)
        rows = [[stop_button(figures.id, texts)]] if figures.state == "running" else []
        await self._feed.tell(figures, mark, describe(text, figures), rows)
        self._is_told = figures.state in ("done", "stopped")


def describe(text: str, figures: Figures) -> str:
    """A text of the bot's with the figures of a broadcast in it."""
    return text.format(**{**vars(figures), "percent": figures.percent})


def stop_button(broadcast_id: str, texts: Texts) -> Button:
    """The button that ends a running broadcast."""
    return Button(text=texts.broadcast_stop, data=f"bc:stop:{broadcast_id}")


def _mark(figures: Figures, texts: Texts) -> tuple[int, str]:
    if figures.state == "done":
        return _OVER, texts.broadcast_done
    if figures.state == "stopped":
        return _STOPPED, texts.broadcast_stopped
    mark = min(figures.percent // _STEP * _STEP, _OVER - _STEP)
    return mark, texts.broadcast_progress if mark else texts.broadcast_begins
