"""Long polling keeps Telegram's promises: nothing is confirmed before a higher offset asks for more."""

import asyncio

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramConflictError, TelegramUnauthorizedError

from bot.sandbox.client import SandboxClient, SandboxError
from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import MIA, WEI, Call, Clock


async def test_update_comes_again_until_a_higher_offset_confirms_it(bot: Bot, people: SandboxClient) -> None:
    sent = await people.send(MIA, "one")
    for _ in range(2):
        assert [update.update_id for update in await bot.get_updates()] == [sent["update_id"]]
    assert await bot.get_updates(offset=sent["update_id"] + 1) == []
    assert await bot.get_updates() == []


async def test_poll_waits_for_the_next_update(bot: Bot, people: SandboxClient) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=5))
    await asyncio.sleep(0.1)
    assert not poll.done()
    await people.send(MIA, "hello")
    [update] = await asyncio.wait_for(poll, 1)
    assert update.message and update.message.text == "hello"


async def test_poll_without_updates_ends_after_its_timeout(bot: Bot) -> None:
    assert await bot.get_updates(timeout=1) == []


async def test_limit_takes_the_oldest(bot: Bot, people: SandboxClient) -> None:
    first = await people.send(MIA, "one")
    await people.send(MIA, "two")
    assert [update.update_id for update in await bot.get_updates(limit=1)] == [first["update_id"]]


async def test_negative_offset_forgets_all_before_it(bot: Bot, people: SandboxClient) -> None:
    for text in ("one", "two", "three"):
        last = await people.send(MIA, text)
    assert [update.update_id for update in await bot.get_updates(offset=-1)] == [last["update_id"]]
    assert len(await bot.get_updates()) == 1


async def test_second_poller_ends_the_first_with_a_conflict(bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.1)
    assert await bot.get_updates() == []
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates"):
        await first


async def test_poll_of_a_client_that_is_gone_loses_nothing(bot: Bot, people: SandboxClient) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.1)
    poll.cancel()
    await people.send(MIA, "still here?")
    assert len(await bot.get_updates(timeout=1)) == 1


async def test_reactions_come_only_when_asked_for(bot: Bot, people: SandboxClient) -> None:
    sent = await people.send(MIA, "hello")
    await people.react(MIA, sent["message_id"], "👍")
    assert len(await bot.get_updates()) == 1
    await bot.get_updates(offset=sent["update_id"] + 1, allowed_updates=["message", "message_reaction"])
    await people.react(MIA, sent["message_id"], None)
    [update] = await bot.get_updates()
    assert update.message_reaction and not update.message_reaction.new_reaction
    assert update.message_reaction.old_reaction[0].type == "emoji"


async def test_held_updates_come_in_one_batch(bot: Bot, people: SandboxClient) -> None:
    await people.hold(True)
    poll = asyncio.create_task(bot.get_updates(timeout=5))
    for user in (MIA, WEI, MIA):
        await people.send(user, "hello")
    await asyncio.sleep(0.1)
    assert not poll.done()
    await people.hold(False)
    assert len(await poll) == 3


async def test_confirmed_update_can_be_repeated(bot: Bot, people: SandboxClient) -> None:
    sent = await people.send(MIA, "again")
    await bot.get_updates(offset=sent["update_id"] + 1)
    await people.post("repeat", update_id=sent["update_id"])
    assert [update.update_id for update in await bot.get_updates(offset=sent["update_id"] + 1)] == [
        sent["update_id"]
    ]
    assert await bot.get_updates(offset=sent["update_id"] + 1) == []
    with pytest.raises(SandboxError, match="forgotten"):
        await people.post("repeat", update_id=5)


async def test_an_update_that_is_repeated_before_its_confirmation_comes_again_after_it(
    bot: Bot, people: SandboxClient
) -> None:
    sent = await people.send(MIA, "again")
    update_id = sent["update_id"]
    assert [update.update_id for update in await bot.get_updates()] == [update_id]
    await people.post("repeat", update_id=update_id)
    assert [update.update_id for update in await bot.get_updates(offset=update_id + 1)] == [update_id]
    assert await bot.get_updates(offset=update_id + 1) == []


async def test_raw_update_arrives_as_it_is(call: Call, people: SandboxClient) -> None:
    injected = await people.post("updates", update={"message": {"text": 7}})
    [update] = (await call("getUpdates"))["result"]
    assert update == {"message": {"text": 7}, "update_id": injected["update_id"]}


async def test_updates_are_forgotten_after_a_day(
    sandbox: Sandbox, bot: Bot, people: SandboxClient, clock: Clock
) -> None:
    await people.send(MIA, "old")
    clock.now += 25 * 3600
    await people.send(MIA, "new")
    sandbox.telegram.expire()
    [update] = await bot.get_updates()
    assert update.message and update.message.text == "new"


async def test_wrong_token_and_unknown_method_are_refused_in_telegrams_shape(
    sandbox: Sandbox, call: Call
) -> None:
    api = TelegramAPIServer.from_base(sandbox.url)
    async with Bot("42:wrong", session=AiohttpSession(api=api)) as bot:
        with pytest.raises(TelegramUnauthorizedError):
            await bot.get_me()
    assert await call("sendMesage") == {"ok": False, "error_code": 404, "description": "Not Found"}
    refused = await call("sendDice", chat_id=MIA)
    assert refused["description"] == "Bad Request: method sendDice is not simulated by the sandbox"
