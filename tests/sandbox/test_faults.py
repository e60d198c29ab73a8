"""Ordered failures look to a bot like those of networks and of Telegram."""

import asyncio
import time

import pytest
from aiogram import Bot
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.types import MessageEntity
from aiohttp import ClientConnectorError, ClientSession

from bot.sandbox.client import SandboxClient
from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import MIA, TOKEN


@pytest.fixture(autouse=True)
async def started(people: SandboxClient) -> None:
    await people.send(MIA, "hello")


async def test_error_for_the_next_calls_only(bot: Bot, people: SandboxClient) -> None:
    await people.fault("sendMessage", count=2, error_code=500, description="Internal Server Error")
    for _ in range(2):
        with pytest.raises(TelegramServerError):
            await bot.send_message(MIA, "x")
    await bot.send_message(MIA, "y")
    assert [event["text"] for event in await people.messages(MIA)] == ["y"]


async def test_retry_after_on_order(bot: Bot, people: SandboxClient) -> None:
    await people.fault("sendMessage", error_code=429, description="Too Many Requests", retry_after=7)
    with pytest.raises(TelegramRetryAfter) as refusal:
        await bot.send_message(MIA, "x")
    assert refusal.value.retry_after == 7


@pytest.mark.parametrize(("mode", "delivered"), [("drop", 0), ("deliver_then_drop", 1)])
async def test_connection_that_ends_without_a_response(
    bot: Bot, people: SandboxClient, mode: str, delivered: int
) -> None:
    await people.fault("sendMessage", mode=mode)
    with pytest.raises(TelegramNetworkError):
        await bot.send_message(MIA, "did it arrive?")
    assert len(await people.messages(MIA)) == delivered
    await bot.get_me()


@pytest.mark.parametrize(("mode", "delivered"), [("hang", 0), ("deliver_then_hang", 1)])
async def test_hanging_call_is_carried_out_or_not_as_ordered(
    bot: Bot, people: SandboxClient, mode: str, delivered: int
) -> None:
    await people.fault("sendMessage", mode=mode)
    with pytest.raises(TelegramNetworkError, match="timeout"):
        await bot.send_message(MIA, "x", request_timeout=1)
    assert len(await people.messages(MIA)) == delivered


async def test_nobody_listens_for_a_while(sandbox: Sandbox, people: SandboxClient) -> None:
    await people.fault("", mode="refuse_connection", seconds=0.5)
    await asyncio.sleep(0.2)
    async with ClientSession() as session:
        with pytest.raises(ClientConnectorError):
            await session.get(f"{sandbox.url}/bot{TOKEN}/getMe")
        await asyncio.sleep(0.6)
        async with session.get(f"{sandbox.url}/bot{TOKEN}/getMe") as response:
            assert response.status == 200


async def test_faults_can_be_cleared_and_calls_are_logged_without_texts(
    bot: Bot, people: SandboxClient
) -> None:
    await people.fault("sendMessage")
    await people.clear_faults()
    await bot.send_message(MIA, "a customer's words")
    await people.fault("sendMessage")
    with pytest.raises(TelegramServerError):
        await bot.send_message(MIA, "a customer's words")
    calls = await people.calls("sendMessage")
    assert [(call["ok"], call.get("error_code"), call["chat_id"]) for call in calls] == [
        (True, None, MIA),
        (False, 500, MIA),
    ]
    assert "words" not in str(calls)


async def test_a_fault_by_chance_hits_the_same_calls_for_the_same_seed(
    bot: Bot, people: SandboxClient
) -> None:
    runs: list[list[bool]] = []
    for _ in range(2):
        await people.fault("sendMessage", count=4, probability=0.4, seed=11)
        runs.append([await succeeds(bot) for _ in range(20)])
    assert runs[0] == runs[1]
    assert runs[0].count(False) == 4 and runs[0][:4] != [False] * 4


async def test_a_fault_can_be_for_calls_with_a_certain_parameter(bot: Bot, people: SandboxClient) -> None:
    await people.fault("sendMessage", error_code=400, description="Bad Request", parameter="entities")
    await bot.send_message(MIA, "plain")
    with pytest.raises(TelegramBadRequest):
        await bot.send_message(MIA, "bold", entities=[MessageEntity(type="bold", offset=0, length=4)])


async def test_a_slow_call_is_carried_out_later(bot: Bot, people: SandboxClient) -> None:
    await people.fault("getMe", mode="slow", seconds=0.3)
    started = time.monotonic()
    await bot.get_me()
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ("blocked", TelegramForbiddenError),
        ("chat not found", TelegramBadRequest),
        ("thread not found", TelegramBadRequest),
        ("markup refused", TelegramBadRequest),
        ("too many requests", TelegramRetryAfter),
        ("server error", TelegramServerError),
    ],
)
async def test_a_refusal_by_name_by_chance(
    bot: Bot, people: SandboxClient, refusal: str, error: type[Exception]
) -> None:
    await people.fault("sendMessage", refusal=refusal, probability=0.5, seed=3, count=2)
    refused = 0
    for _ in range(30):
        try:
            await bot.send_message(MIA, "x")
        except error:
            refused += 1
    assert refused == 2


async def test_updates_come_out_of_order_and_none_is_lost(bot: Bot, people: SandboxClient) -> None:
    await bot.get_updates(offset=-1)
    await people.hold(True)
    sent = [(await people.send(MIA, str(number)))["update_id"] for number in range(8)]
    await people.fault("getUpdates", mode="shuffle", seed=1)
    await people.hold(False)
    shuffled = [update.update_id for update in await bot.get_updates(offset=sent[0])]
    assert sorted(shuffled) == sent != shuffled


async def succeeds(bot: Bot) -> bool:
    try:
        await bot.send_message(MIA, "x")
    except TelegramServerError:
        return False
    return True
