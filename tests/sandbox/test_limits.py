"""Flood limits: what Telegram lets through at once, per second, and how it says to wait."""

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramRetryAfter

from bot.sandbox.client import SandboxClient
from bot.sandbox.errors import ApiError
from bot.sandbox.limits import FloodLimits, Rate, Rates
from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import MIA, TOKEN, Clock


def allowed(limits: FloodLimits, calls: int, chat_id: int = 1, **kind: bool) -> int:
    """How many of so many calls are let through."""
    count = 0
    for _ in range(calls):
        try:
            limits.spend(chat_id, **kind)
        except ApiError as refusal:
            assert refusal.code == 429 and refusal.retry_after
        else:
            count += 1
    return count


def test_chat_takes_a_burst_then_one_a_second(clock: Clock) -> None:
    limits = FloodLimits(clock)
    assert allowed(limits, 10) == 5
    clock.now += 1
    assert allowed(limits, 10) == 1
    clock.now += 3600
    assert allowed(limits, 10) == 5


def test_retry_after_is_long_enough(clock: Clock) -> None:
    limits = FloodLimits(clock, Rates(chat=Rate(1, 0.3)))
    limits.spend(1)
    with pytest.raises(ApiError) as refusal:
        limits.spend(1)
    assert refusal.value.retry_after == 4
    clock.now += 4
    limits.spend(1)


def test_who_does_not_wait_is_refused_until_the_wait_is_over(clock: Clock) -> None:
    limits = FloodLimits(clock, Rates(chat=Rate(1, 0.9)))
    assert allowed(limits, 2) == 1
    clock.now += 1.5
    assert allowed(limits, 1) == 0
    clock.now += 0.5
    assert allowed(limits, 1) == 1


def test_all_chats_together_have_thirty_a_second(clock: Clock) -> None:
    limits = FloodLimits(clock)
    assert sum(allowed(limits, 1, chat) for chat in range(1, 50)) == 30


def test_group_has_twenty_a_minute_and_drafts_a_bucket_of_their_own(clock: Clock) -> None:
    limits = FloodLimits(clock)
    assert allowed(limits, 25, -7, is_group=True) == 20
    clock.now += 60
    assert allowed(limits, 5, is_draft=True) == allowed(limits, 5) == 5


async def test_bot_is_told_how_long_to_wait(clock: Clock) -> None:
    async with Sandbox(TOKEN, clock=clock) as sandbox, SandboxClient(sandbox.url) as people:
        await people.send(MIA, "hello")
        api = TelegramAPIServer.from_base(sandbox.url)
        async with Bot(TOKEN, session=AiohttpSession(api=api)) as bot:
            for _ in range(5):
                await bot.send_message(MIA, "hi")
            with pytest.raises(TelegramRetryAfter) as refusal:
                await bot.send_message(MIA, "hi")
            assert refusal.value.retry_after == 1
            await bot.send_chat_action(MIA, "typing")
        assert len(await people.messages(MIA)) == 5
