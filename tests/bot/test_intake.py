"""From Telegram into Redis: nothing is confirmed before it is safe, and nothing bad goes round and round."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from redis import Redis

from bot.handlers import customer
from bot.texts import texts_in
from bot.web import make_app, serve
from bot.webhook import SECRET_HEADER
from tests.bot.conftest import Shop
from tests.redis_proxy import RedisProxy
from workers.connection import connect_async

EN = texts_in("en")


@pytest.fixture
async def wire(idle_shop: Shop) -> AsyncIterator[RedisProxy]:
    """What stands between a bot and its Redis."""
    with RedisProxy(idle_shop.settings.redis_url or "") as proxy:
        yield proxy
        await idle_shop.stop_bots()


async def test_nothing_is_confirmed_while_redis_is_away(idle_shop: Shop, wire: RedisProxy) -> None:
    await idle_shop.start_bot(redis_url=wire.url)
    await idle_shop.client.send(1, "/help")
    await idle_shop.client.wait_for_reply(1)
    wire.go_away()
    await idle_shop.client.send(1, "does anybody hear me?")
    await asyncio.sleep(0.5)
    assert len(idle_shop.sandbox.telegram.updates) == 1
    wire.come_back()
    await idle_shop.until(lambda: idle_shop.inbox(1))
    await idle_shop.until(lambda: len(idle_shop.sandbox.telegram.updates) == 0)
    assert len(idle_shop.inbox(1)) == 1


async def test_a_lost_reply_of_redis_makes_no_second_message(idle_shop: Shop, wire: RedisProxy) -> None:
    await idle_shop.start_bot(redis_url=wire.url)
    wire.lose_reply_to(b"hear me")
    await idle_shop.client.send(1, "do you hear me?")
    await idle_shop.until(lambda: idle_shop.count("duplicates") == 1)
    assert wire.lost == 1
    assert len(idle_shop.inbox(1)) == 1


async def test_a_lost_reply_around_a_send_sends_nothing_twice(idle_shop: Shop, wire: RedisProxy) -> None:
    await idle_shop.start_bot(redis_url=wire.url)
    await idle_shop.client.send(1, "/help")
    await idle_shop.client.wait_for_reply(1)
    wire.lose_reply_to(b"kefu:7:chat:1:sending")
    wire.lose_reply_to(b"kefu:7:alerts")
    idle_shop.reply(1, "once")
    await idle_shop.until(lambda: idle_shop.count("sent") == 2)
    await asyncio.sleep(0.5)
    assert wire.lost == 2
    assert (await idle_shop.texts(1))[1:] == ["once"]
    assert idle_shop.count("sends_unknown") == 0


async def test_the_bot_waits_for_a_redis_that_is_not_there_yet(
    idle_shop: Shop, wire: RedisProxy, caplog: pytest.LogCaptureFixture
) -> None:
    wire.go_away()
    bot = await idle_shop.start_bot(redis_url=wire.url)
    await idle_shop.client.send(1, "I was early")
    await asyncio.sleep(0.7)
    assert not bot.done()
    assert sum("Redis does not answer" in record.message for record in caplog.records) == 1
    wire.come_back()
    await idle_shop.until(lambda: idle_shop.inbox(1))


async def test_an_update_that_cannot_be_decoded_is_set_aside(shop: Shop) -> None:
    await shop.client.hold(True)
    broken = await shop.client.post("updates", update={"message": {"text": "no id, no chat, a secret"}})
    await shop.client.send(1, "after it")
    await shop.client.hold(False)
    await shop.until(lambda: shop.inbox(1))
    assert shop.count("set_aside") == 1
    raw = shop.redis.lindex(shop.names.alerts, 0)
    assert json.loads(raw)["update_id"] == broken["update_id"]
    assert b"secret" not in raw


async def test_an_update_of_an_unknown_kind_is_passed_over(shop: Shop) -> None:
    await shop.client.post("updates", update={"telepathy": {"thought": "?"}})
    await shop.client.send(1, "after it")
    await shop.until(lambda: shop.inbox(1))


async def test_an_update_that_breaks_a_handler_is_set_aside_and_told(
    idle_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    async def broken(message: object) -> None:
        tries.append(1)
        raise RuntimeError("a bug")

    monkeypatch.setattr(customer, "help_", broken)
    monkeypatch.setattr("bot.polling._RETRY_PAUSE", 0.01)
    await idle_shop.start_bot()
    await idle_shop.client.send(1, "/help")
    assert (await idle_shop.client.wait_for_reply(1))["text"] == EN.trouble
    await idle_shop.client.send(1, "and now?")
    await idle_shop.until(lambda: idle_shop.inbox(1))
    assert len(tries) == 3
    assert json.loads(idle_shop.redis.lindex(idle_shop.names.alerts, 0))["error"] == "RuntimeError"


async def test_polling_goes_on_after_telegram_failed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.telegram._PAUSES", (0.05,))
    await shop.client.fault("getUpdates", error_code=502, count=2)
    await shop.client.fault(
        "getUpdates", error_code=409, description="Conflict: terminated by other getUpdates"
    )
    await shop.client.fault("getUpdates", mode="deliver_then_drop")
    for text in ("one", "two"):
        await shop.client.send(1, text)
    await shop.until(lambda: len(shop.inbox(1)) == 2)


async def free_port() -> int:
    """A port that nobody listens on just now."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_a_webhook_takes_updates_and_refuses_strangers(idle_shop: Shop, wire: RedisProxy) -> None:
    port = await free_port()
    url = f"http://127.0.0.1:{port}/telegram"
    await idle_shop.start_bot(webhook_url=url, http_port=port, redis_url=wire.url)
    await idle_shop.client.send(1, "over the webhook")
    await idle_shop.until(lambda: idle_shop.inbox(1))
    await idle_shop.client.send(1, "/help")
    assert (await idle_shop.client.wait_for_reply(1))["text"] == EN.help
    async with ClientSession() as stranger:
        for headers in ({}, {SECRET_HEADER: "guess"}):
            async with stranger.post(url, json={"update_id": 1}, headers=headers) as response:
                assert response.status == 401
    assert idle_shop.count("accepted") == 1


async def test_a_webhook_answers_503_until_redis_has_taken_the_update(
    idle_shop: Shop, wire: RedisProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.main.PATIENCE", 0.2)
    port = await free_port()
    url = f"http://127.0.0.1:{port}/telegram"
    await idle_shop.start_bot(webhook_url=url, http_port=port, redis_url=wire.url)
    await idle_shop.client.send(1, "/help")
    await idle_shop.client.wait_for_reply(1)
    wire.go_away()
    await idle_shop.client.send(1, "hello")
    await asyncio.sleep(1.0)
    assert len(idle_shop.sandbox.telegram.updates) == 1
    wire.come_back()
    await idle_shop.until(lambda: idle_shop.inbox(1))


async def test_health_and_metrics_show_figures_and_no_chats(
    redis_url: str, redis: Redis, idle_shop: Shop
) -> None:
    names = idle_shop.names
    redis.zadd(names.waiting, {"123456": 1})
    redis.hincrby(names.stats, "accepted", 3)
    async with (
        connect_async(redis_url) as client,
        serve(make_app(client, names, lambda: True), "127.0.0.1", 0) as port,
        ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        health = await (await session.get("/health")).json()
        metrics = await (await session.get("/metrics")).text()
    assert health["redis"] and health["leader"] and health["waiting"] == 1 and health["lag"] > 1e6
    assert 'kefu_events_total{event="accepted"} 3.0' in metrics and "kefu_delivery_leader 1.0" in metrics
    assert "123456" not in metrics and "123456" not in json.dumps(health)


async def test_health_is_503_without_redis(idle_shop: Shop, wire: RedisProxy) -> None:
    wire.go_away()
    async with (
        connect_async(wire.url) as client,
        serve(make_app(client, idle_shop.names, lambda: False), "127.0.0.1", 0) as port,
        ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        assert (await session.get("/health")).status == 503


async def test_menus_follow_scope_and_language(shop: Shop) -> None:
    await shop.client.add_user(31, language_code="zh-hans")
    await shop.client.send(31, "/start")
    await shop.client.wait_for_reply(31)

    async def menu(user: int) -> dict[str, str]:
        return {command["command"]: command["description"] for command in await shop.client.commands(user)}

    async with asyncio.timeout(30):
        while (await menu(31)).get("forget") != texts_in("zh").command_forget:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await menu(1))["forget"] == EN.command_forget
    assert "queues" in await menu(9)
    assert "queues" not in await menu(1)


async def test_a_batch_that_comes_out_of_order_is_taken_in_order(shop: Shop) -> None:
    """A stop in its middle would otherwise confirm the earlier ones unread."""
    await shop.client.send(1, "first of all")
    await shop.until(lambda: shop.inbox(1))
    await shop.client.hold(True)
    for number in range(6):
        await shop.client.send(1, str(number))
    await shop.client.fault("getUpdates", mode="shuffle", count=3, seed=1)
    await shop.client.hold(False)
    await shop.until(lambda: len(shop.inbox(1)) == 7)
    assert [message.text for message in shop.inbox(1)][1:] == [str(number) for number in range(6)]
