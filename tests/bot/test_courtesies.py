"""Small signs: at once where they help, not at all where the reply is quicker."""

import asyncio
from typing import Any

from aiogram.methods import SendChatAction

from bot.courtesies import Courtesies
from bot.limits import Limits


async def test_a_reply_that_comes_at_once_needs_no_typing() -> None:
    shown: list[int] = []

    async def bot(method: SendChatAction, request_timeout: int) -> bool:
        shown.append(int(method.chat_id))
        return True

    unused: Any = None
    courtesies = Courtesies(bot, unused, unused, Limits(), lambda chat: True)  # type: ignore[arg-type]
    running = asyncio.create_task(courtesies.run())
    for chat_id in (1, 2, 2):
        courtesies.typing_soon(chat_id)
    courtesies.reply_comes(1)
    await asyncio.sleep(0.3)
    courtesies.reply_comes(2)
    running.cancel()
    assert shown == [2]


async def test_limits_that_are_not_enforced_still_keep_what_telegram_asks() -> None:
    limits = Limits(enforced=False)
    async with asyncio.timeout(1):
        for _ in range(200):
            await limits.acquire(1)
    limits.pause(1, 0.2)
    assert not await limits.spare(1)
    started = asyncio.get_running_loop().time()
    await limits.acquire(1)
    assert asyncio.get_running_loop().time() - started > 0.15
