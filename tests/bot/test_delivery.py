"""Replies from the outbox to Telegram, through every kind of trouble that Telegram and the network make."""

import asyncio
import json
import time

import aiohttp
import pytest
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
)
from aiogram.methods import GetMe

from bot.delivery import _is_gone, judge
from bot.sandbox.client import is_reply
from tests.bot.conftest import Shop
from workers.contracts import Draft, ProductCard
from workers.texts import APOLOGY

CARD = ProductCard(product_id="p1", title="Teapot", description="Blue.", price="24.90 EUR", in_stock=False)


def caused(error: TelegramNetworkError, cause: Exception) -> TelegramNetworkError:
    error.__cause__ = cause
    return error


def refused_connection() -> aiohttp.ClientConnectorError:
    return aiohttp.ClientConnectorError(None, OSError(111, "refused"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (TelegramRetryAfter(GetMe(), "", 3), "unsent"),
        (caused(TelegramNetworkError(GetMe(), ""), refused_connection()), "unsent"),
        (caused(TelegramNetworkError(GetMe(), ""), aiohttp.ServerDisconnectedError()), "unknown"),
        (caused(TelegramNetworkError(GetMe(), ""), TimeoutError()), "unknown"),
        (TelegramServerError(GetMe(), ""), "unknown"),
        (ClientDecodeError("", ValueError(), ""), "unknown"),
        (TelegramForbiddenError(GetMe(), ""), "refused"),
        (TelegramBadRequest(GetMe(), ""), "refused"),
    ],
)
def test_what_an_error_says_about_the_message(error: Exception, outcome: str) -> None:
    assert judge(error) == outcome


def test_a_refusal_without_a_reason_is_a_refusal() -> None:
    error = TelegramBadRequest(method=GetMe(), message=None)  # type: ignore[arg-type]
    assert judge(error) == "refused" and not _is_gone(error)


async def test_replies_come_in_order_and_leave_the_outbox(shop: Shop) -> None:
    for number in range(6):
        shop.reply(1, f"answer {number}")
    await shop.until(lambda: shop.count("sent") == 6, 8)
    assert await shop.texts(1) == [f"answer {number}" for number in range(6)]
    assert not shop.redis.keys("kefu:7:chat:1:*")


async def test_a_long_reply_comes_whole_in_several_messages(shop: Shop) -> None:
    text = "\n\n".join(f"Paragraph {number}: " + "word " * 100 for number in range(20))
    shop.reply(1, text)
    await shop.until(lambda: shop.count("sent") == 1, 8)
    texts = await shop.texts(1)
    assert len(texts) == 3
    assert "".join(" ".join(texts).split()) == "".join(text.split())


async def test_cards_come_with_buttons_that_work(shop: Shop) -> None:
    shop.reply(1, "One idea:", kind="suggestions", cards=(CARD,))
    await shop.until(lambda: shop.count("sent") == 1)
    card = (await shop.client.messages(1))[-1]
    assert card["text"].startswith("Teapot\n24.90 EUR · Out of stock")
    await shop.client.press(1, card["message_id"], "more:p1")
    await shop.until(lambda: shop.inbox(1))
    await shop.client.press(1, card["message_id"], "info:p1")
    await shop.until(lambda: len(shop.inbox(1)) == 2)
    assert [(message.kind, message.text) for message in shop.inbox(1)] == [
        ("suggest", "Teapot"),
        ("text", "Tell me more about Teapot"),
    ]
    await shop.client.press(1, card["message_id"], "less:p1")
    assert "Teapot" in (await shop.client.wait_for(1, is_reply, after=card["seq"]))["text"]
    for _ in range(3):
        card = await shop.client.wait_for(
            1, lambda event: event["type"] == "callback_answer", after=card["seq"]
        )


async def test_a_chat_that_telegram_holds_up_holds_up_nobody_else(shop: Shop) -> None:
    await shop.client.fault("sendMessage", mode="hang")
    shop.reply(1, "hangs")
    await shop.until(lambda: not shop.sandbox.faults._orders)
    shop.reply(2, "comes at once")
    assert (await shop.client.wait_for_reply(2, timeout=10))["text"] == "comes at once"
    shop.sandbox.refuse_connections(0.1)


async def test_retry_after_is_kept_exactly(shop: Shop) -> None:
    await shop.client.fault("sendMessage", error_code=429, description="Too Many Requests", retry_after=2)
    started = time.monotonic()
    shop.reply(1, "late")
    await shop.client.wait_for_reply(1)
    assert 2.0 <= time.monotonic() - started < 10.0
    assert len(await shop.client.calls("sendMessage")) == 2


async def test_a_reply_that_was_delivered_but_not_answered_is_repeated_once_and_counted(shop: Shop) -> None:
    await shop.client.fault("sendMessage", mode="deliver_then_drop")
    entry_id = shop.reply(1, "twice")
    await shop.until(lambda: shop.count("sent") == 1)
    assert await shop.texts(1) == ["twice", "twice"]
    assert shop.count("sends_unknown") == 1
    calls = [
        call["method"] for call in await shop.client.calls() if call["method"] in ("sendMessage", "getMe")
    ]
    assert calls[-3:] == ["sendMessage", "getMe", "sendMessage"]
    alert = json.loads(shop.redis.lindex(shop.names.alerts, 0))
    assert (alert["kind"], alert["entry"]) == ("unknown", entry_id)


async def test_a_second_unknown_outcome_ends_it(shop: Shop) -> None:
    await shop.client.fault("sendMessage", count=2)
    shop.reply(1, "never")
    shop.reply(1, "next")
    await shop.until(lambda: shop.count("sent") == 1)
    assert await shop.texts(1) == ["next"]
    assert (shop.count("unknown"), shop.count("sends_unknown")) == (1, 2)


async def test_a_refused_connection_is_waited_out_without_a_double(shop: Shop) -> None:
    await shop.client.post("faults", mode="refuse_connection", method="", seconds=1.5)
    await asyncio.sleep(0.3)
    shop.reply(1, "after the storm")
    await shop.until(lambda: shop.count("sent") == 1)
    assert await shop.texts(1) == ["after the storm"]
    assert shop.count("sends_unknown") == 0


async def test_many_chats_that_fail_together_pause_delivery_once(shop: Shop) -> None:
    """Each failure made the pause twice as long, so eight chats in one short outage waited for half a minute."""
    users = range(100, 108)
    for user in users:
        await shop.has_written(user)
    await shop.client.post("faults", mode="refuse_connection", method="", seconds=1.5)
    await asyncio.sleep(0.3)
    for user in users:
        shop.reply(user, "after the storm")
    await shop.until(lambda: shop.count("sent") == len(users), 20)


async def test_refused_markup_is_sent_as_plain_text(shop: Shop) -> None:
    await shop.client.fault(
        "sendMessage", error_code=400, description="Bad Request: can't parse entities: unsupported"
    )
    shop.reply(1, "", kind="suggestions", cards=(CARD,))
    reply = await shop.client.wait_for_reply(1)
    assert reply["text"].startswith("Teapot") and not reply["entities"]
    await shop.until(lambda: shop.count("sent") == 1)


async def test_who_blocked_the_bot_is_marked_and_costs_no_alert(shop: Shop) -> None:
    await shop.client.send(1, "/language en")
    await shop.client.wait_for_reply(1)
    await shop.client.block(1)
    shop.reply(1, "hello?")
    await shop.until(lambda: shop.count("refused") == 1)
    assert shop.redis.hexists(shop.names.session(1), "gone")
    assert not shop.redis.exists(shop.names.alerts)
    await shop.client.block(1, False)
    shop.reply(1, "welcome back")
    await shop.until(lambda: not shop.redis.hexists(shop.names.session(1), "gone"))


async def test_a_reply_that_cannot_be_read_does_not_block_its_chat(shop: Shop) -> None:
    shop.redis.rpush(shop.names.outbox(1), '{"id": "odd", "reply": {"kind": "song"}}')
    shop.reply(1, "still here")
    assert (await shop.client.wait_for_reply(1))["text"] == "still here"
    assert json.loads(shop.redis.lindex(shop.names.alerts, 0))["kind"] == "unreadable"


async def test_a_reply_of_a_later_version_that_cannot_be_read_becomes_an_apology(shop: Shop) -> None:
    odd = {"id": "e.1", "chat_id": 1, "answers": ["m1"], "reply": {"kind": "song", "language": "zh"}}
    shop.redis.rpush(shop.names.outbox(1), json.dumps(odd))
    shop.reply(1, "still here")
    assert (await shop.client.wait_for_reply(1))["text"] == APOLOGY["zh"]
    assert (await shop.client.wait_for_reply(1))["text"] == "still here"
    assert json.loads(shop.redis.lindex(shop.names.alerts, 0))["kind"] == "unreadable"


async def test_what_redis_forgot_to_have_been_sent_is_not_sent_again(shop: Shop) -> None:
    """As after a fail-over: the outbox holds a reply that went out, and a second one to the same message."""
    shop.reply(1, "once", answers=("m1", "m2"))
    await shop.until(lambda: shop.count("sent") == 1)
    shop.reply(1, "once", entry_id="e1", answers=("m1", "m2"))
    await shop.until(lambda: shop.count("sent") == 2)
    shop.reply(1, "once in other words", answers=("m1",))
    shop.reply(1, "to another message too", answers=("m2", "m3"))
    await shop.until(lambda: shop.count("sent") == 4)
    assert await shop.texts(1) == ["once", "to another message too"]


async def test_a_new_leader_takes_a_send_without_outcome_for_unknown(idle_shop: Shop) -> None:
    """As after a SIGKILL between send and response."""
    shop = idle_shop
    entry_id = shop.reply(1, "perhaps twice")
    fields = {"entry": entry_id, "leader": "dead", "attempt": "x", "state": "sending", "part": 0, "try": 1}
    shop.redis.hset(shop.names.sending(1), mapping=fields)
    await shop.start_bot()
    await shop.until(lambda: shop.count("sent") == 1)
    assert await shop.texts(1) == ["perhaps twice"]
    assert shop.count("sends_unknown") == 1


async def test_a_stop_lets_arrive_what_is_on_its_way_and_begins_nothing(idle_shop: Shop) -> None:
    shop = idle_shop
    bot = await shop.start_bot()
    await shop.client.fault("sendMessage", mode="slow", seconds=1.5)
    shop.reply(1, "on its way")
    await shop.until(lambda: not shop.sandbox.faults._orders, 15)
    bot.cancel()
    await asyncio.sleep(0)
    shop.reply(2, "not begun")
    await asyncio.gather(bot, return_exceptions=True)
    assert await shop.texts(1) == ["on its way"] and await shop.texts(2) == []
    assert (shop.count("sent"), shop.count("sends_unknown")) == (1, 0)
    await shop.until(lambda: not shop.redis.exists(shop.names.outbox_leader, shop.names.poller), 20)
    await shop.start_bot()
    assert (await shop.client.wait_for_reply(2, timeout=20))["text"] == "not begun"


async def test_of_two_bots_one_delivers_and_the_other_takes_over(idle_shop: Shop) -> None:
    shop = idle_shop
    hook = {"webhook_url": "http://127.0.0.1:1/hook"}
    first, second = await shop.start_bot(**hook), await shop.start_bot(**hook)
    for number in range(3):
        shop.reply(1, f"answer {number}")
    await shop.until(lambda: shop.count("sent") == 3)
    first.cancel()
    await asyncio.wait({first})
    shop.reply(1, "from the other")
    await shop.until(lambda: shop.count("sent") == 4)
    assert not second.done()
    assert await shop.texts(1) == ["answer 0", "answer 1", "answer 2", "from the other"]


async def test_drafts_show_the_newest_text_and_end_with_the_reply(shop: Shop) -> None:
    def publish(text: str) -> None:
        shop.redis.publish(shop.names.drafts, Draft(chat_id=1, draft_id=4, text=text).model_dump_json())

    await shop.until(lambda: shop.redis.pubsub_numsub(shop.names.drafts)[0][1])
    await shop.until(lambda: shop.redis.exists(shop.names.outbox_leader))
    for length in range(1, 30):
        publish("x" * length)
        await asyncio.sleep(0.05)
    shop.reply(1, "x" * 30, draft_id=4)
    await shop.client.wait_for_reply(1)
    publish("late")
    await asyncio.sleep(1.0)
    events = [event for event in await shop.client.transcript(1) if event["type"] in ("draft", "message")]
    drafts = [event["text"] for event in events[:-1]]
    assert events[-1]["type"] == "message"
    assert 2 <= len(drafts) <= 4 and drafts == sorted(drafts)


async def test_thirty_customers_at_once_are_served_within_telegrams_limits(shop: Shop) -> None:
    users = range(100, 130)
    for user in users:
        await shop.has_written(user)
        shop.reply(user, "hello")
        shop.reply(user, "again")
    await shop.until(lambda: shop.count("sent") == 60)
    refused = [call for call in await shop.client.calls("sendMessage") if not call["ok"]]
    assert refused == []
