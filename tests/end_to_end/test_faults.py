"""Nothing is lost and nothing comes twice when processes die, updates repeat and connections break."""

import asyncio

import pytest

from tests.end_to_end.running import ENGLISH, Running, run, until
from tests.redis_proxy import RedisProxy

QUESTION = "How long does delivery take?"
ECHO = {"KEFU_MODEL": "echo"}
SLOW_ECHO = {"KEFU_MODEL": "echo", "KEFU_ECHO_DELAY": "0.3"}


async def send_held(kefu: Running, user: int, *texts: str) -> list[int]:
    """Send messages that reach the bot in one batch of updates."""
    await kefu.client.hold(True)
    updates = [(await kefu.client.send(user, text))["update_id"] for text in texts]
    await kefu.client.hold(False)
    return updates


async def test_a_burst_is_answered_once() -> None:
    async with run(workers=0) as kefu:
        await send_held(kefu, ENGLISH, "Hello", "I ordered", "a lamp", "and wonder", QUESTION)
        await until(lambda: kefu.redis.llen(kefu.names.inbox(ENGLISH)) == 5)
        await kefu.stack.start("worker")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.is_quiet()
        assert len(await kefu.replies(ENGLISH)) == 1


async def test_a_very_long_paste_is_answered_once() -> None:
    async with run(workers=0) as kefu:
        await kefu.client.hold(True)
        await kefu.client.send(ENGLISH, QUESTION + " please tell me" * 1330)
        await kefu.client.hold(False)
        await until(lambda: kefu.redis.llen(kefu.names.inbox(ENGLISH)) == 5)
        await kefu.stack.start("worker")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.is_quiet()
        assert len(await kefu.replies(ENGLISH)) == 1


async def test_a_repeated_update_is_answered_once() -> None:
    async with run(environment=ECHO) as kefu:
        sent = await kefu.client.send(ENGLISH, "one")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.client.post("repeat", update_id=sent["update_id"])
        await until(lambda: kefu.count("duplicates") == 1)
        await kefu.client.send(ENGLISH, "two")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.is_quiet()
        assert await kefu.replies(ENGLISH) == ["one", "two"]


async def test_order_within_a_chat_with_twenty_chats_in_flight() -> None:
    async with run(environment={"KEFU_MODEL": "echo", "KEFU_ECHO_DELAY": "0.05"}, workers=2) as kefu:
        users = range(200, 220)
        for user in users:
            await kefu.client.add_user(user)
        for number in range(5):
            await asyncio.gather(*(kefu.client.send(user, f"{number}a {number}b") for user in users))
            await asyncio.sleep(0.08)
        await until(lambda: kefu.count("accepted") == 5 * len(users))
        await kefu.is_quiet()
        wanted = [f"{number}{part}" for number in range(5) for part in "ab"]
        for user in users:
            assert " ".join(await kefu.replies(user)).split() == wanted


@pytest.mark.parametrize("model", ["builtin", "echo"])
async def test_a_worker_killed_while_it_generates(model: str) -> None:
    environment = {"KEFU_MODEL": model, "KEFU_ECHO_DELAY": "0.3"}
    async with run(environment=environment) as kefu:
        await until(lambda: kefu.redis.scard("rq:workers"))
        await kefu.client.send(ENGLISH, QUESTION)
        await until(lambda: kefu.redis.exists(kefu.names.claim(ENGLISH)))
        await kefu.stack.kill("worker-1")
        await kefu.stack.start("worker")
        await kefu.client.wait_for_reply(ENGLISH, timeout=30)  # what is promised
        await kefu.is_quiet()
        assert len(await kefu.replies(ENGLISH)) == 1


async def test_a_bot_killed_between_update_and_confirmation() -> None:
    """No worker runs meanwhile: a bot that dies while it sends is the next test's matter."""
    async with run(environment=ECHO) as kefu:
        await kefu.client.send(ENGLISH, "zero")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.is_quiet()
        await kefu.stack.kill("worker-1")
        await kefu.client.fault("getUpdates", mode="hang")  # the call that would confirm
        sent = await kefu.client.send(ENGLISH, "one")
        await until(lambda: kefu.redis.exists(kefu.names.seen(sent["update_id"])))
        await kefu.stack.kill("bot")
        await kefu.client.clear_faults()
        await kefu.stack.start("bot")
        await until(lambda: kefu.count("duplicates") == 1)
        await kefu.stack.start("worker")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.is_quiet()
        assert await kefu.replies(ENGLISH) == ["zero", "one"]


async def test_a_bot_killed_between_send_and_response() -> None:
    """Telegram has no key to tell whether the message arrived: it is sent once more, and counted."""
    async with run(environment=ECHO) as kefu:
        await kefu.client.fault("sendMessage", mode="deliver_then_hang")
        await kefu.client.send(ENGLISH, "one")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.stack.kill("bot")
        await kefu.client.clear_faults()
        await kefu.stack.start("bot")
        await kefu.is_quiet()
        await kefu.client.send(ENGLISH, "two")
        await kefu.client.wait_for(
            ENGLISH, lambda event: event.get("text") == "two" and event["from"] == "bot", 60
        )
        await kefu.is_quiet()
        replies = await kefu.replies(ENGLISH)
        assert replies in (["one", "two"], ["one", "one", "two"])
        assert kefu.count("sends_unknown") == 1


@pytest.mark.parametrize("lost", [b":inbox", b'"answers"'], ids=["after intake", "after commit"])
async def test_a_reply_of_redis_lost_on_the_wire(lost: bytes) -> None:
    """The command had its effect, but whoever sent it cannot know."""
    async with run(environment=ECHO, run_bot=False, workers=0) as kefu:
        with RedisProxy(kefu.stack.redis_url) as wire:
            kefu.stack.settings["KEFU_REDIS_URL"] = wire.url
            await kefu.stack.start("bot")
            await kefu.stack.start("worker")
            await kefu.client.send(ENGLISH, "zero")
            await kefu.client.wait_for_reply(ENGLISH, timeout=60)
            wire.lose_reply_to(lost)
            await kefu.client.send(ENGLISH, "one")
            await kefu.client.wait_for_reply(ENGLISH, timeout=60)
            await kefu.client.send(ENGLISH, "two")
            await kefu.client.wait_for_reply(ENGLISH, timeout=60)
            await kefu.is_quiet()
            assert wire.lost == 1
            assert await kefu.replies(ENGLISH) == ["zero", "one", "two"]


async def test_an_update_that_cannot_be_decoded() -> None:
    async with run(environment=ECHO) as kefu:
        await kefu.client.post("updates", update={"update_id": 900_000_000, "message": {"text": 1}})
        await kefu.client.send(ENGLISH, "after it")
        assert (await kefu.client.wait_for_reply(ENGLISH, timeout=60))["text"] == "after it"
        assert kefu.redis.llen(kefu.names.alerts) == 1


async def test_a_reply_longer_than_one_message() -> None:
    async with run(workers=0, environment=ECHO) as kefu:
        texts = ["x" * 3000, "y" * 3000]
        await send_held(kefu, ENGLISH, *texts)
        await until(lambda: kefu.redis.llen(kefu.names.inbox(ENGLISH)) == 2)
        await kefu.stack.start("worker")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.is_quiet()
        replies = await kefu.replies(ENGLISH)
        assert len(replies) == 2 and "".join("".join(replies).split()) == "".join(texts)


async def test_redis_restarts_without_a_loss() -> None:
    """The bot and the worker wait for a Redis that is gone, and the customer is answered when it is back."""
    async with run(environment=ECHO) as kefu:
        await kefu.client.send(ENGLISH, "one")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        kefu.redis.execute_command("CLIENT", "PAUSE", "3000")
        await kefu.client.send(ENGLISH, "two")
        await kefu.client.wait_for_reply(ENGLISH, timeout=60)
        await kefu.is_quiet()
        assert await kefu.replies(ENGLISH) == ["one", "two"]
