"""A customer chats with kefu: sandbox over HTTP, bot and worker processes, Redis, the shipped GPT."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from model.shop import Shop
from model.slots import find_values
from tests.end_to_end.running import ADMIN, CHINESE, ENGLISH, Running, run, until


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kefu() -> AsyncIterator[Running]:
    """One stack for all tests of this file; each of them leaves its chats quiet."""
    async with run() as running:
        yield running


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask(kefu: Running, user: int, text: str) -> str:
    await kefu.client.send(user, text)
    return str((await kefu.client.wait_for_reply(user, timeout=60))["text"])


async def test_one_message_one_reply(kefu: Running) -> None:
    before = len(await kefu.replies(ENGLISH))
    reply = await ask(kefu, ENGLISH, "How long does delivery take?")
    facts = [passage.text for passage in Shop.load().passages if passage.topic == "delivery_time"]
    values = {value for text in facts for value in find_values(text)}
    assert any(value in reply for value in values), reply
    await asyncio.sleep(1)
    assert len(await kefu.replies(ENGLISH)) == before + 1


async def test_chinese_is_answered_in_chinese(kefu: Running) -> None:
    reply = await ask(kefu, CHINESE, "配送需要多久？")
    facts = [passage.text for passage in Shop.load().passages if passage.topic == "delivery_time"]
    assert any(value in reply for text in facts for value in find_values(text)), reply
    assert any("\u4e00" <= character <= "\u9fff" for character in reply)


@pytest.mark.parametrize("command", ["/start", "/help", "/language", "/suggest a lamp", "/suggest", "/reset"])
async def test_every_command_gets_a_reply(kefu: Running, command: str) -> None:
    assert await ask(kefu, 3, command)


async def test_an_admin_has_a_text_written_and_approves_it(kefu: Running) -> None:
    begun = await ask(kefu, ADMIN, "/write description P1001")
    held = await kefu.client.wait_for_reply(ADMIN, timeout=60)
    assert "Aurora Lamp" in held["text"] and held["text"] != begun
    approve = held["buttons"][0][0]["data"]
    await kefu.client.press(ADMIN, held["message_id"], approve)
    await kefu.client.wait_for_reply(ADMIN, timeout=60)
    assert kefu.redis.llen(kefu.names.writings) == 1


@pytest.mark.parametrize("content", [{"sticker": True}, {"voice": True}, {"photo": True, "caption": ""}])
async def test_what_is_not_text_gets_a_friendly_word(kefu: Running, content: dict[str, object]) -> None:
    await kefu.client.send_any(3, **content)
    assert (await kefu.client.wait_for_reply(3, timeout=60))["text"]


@pytest.mark.parametrize(
    "text", ["<b>bold</b> & *stars* _under_ [x](y)", "شكرا جزيلا", "👩‍👩‍👧‍👦" * 50, "\u202eabc", "?"]
)
async def test_any_text_gets_a_reply(kefu: Running, text: str) -> None:
    assert await ask(kefu, 3, text)


async def test_an_edited_message_is_noticed(kefu: Running) -> None:
    sent = await kefu.client.send(3, "Hello")
    await kefu.client.wait_for_reply(3, timeout=60)
    await kefu.client.edit(3, sent["message_id"], "Do you ship to Norway?")
    assert (await kefu.client.wait_for_reply(3, timeout=60))["text"]


async def test_admin_sees_the_queues_and_customers_do_not(kefu: Running) -> None:
    assert "support" in await ask(kefu, ADMIN, "/queues")
    assert await ask(kefu, ADMIN, "/stats")
    assert "support" not in await ask(kefu, 3, "/queues")


async def test_an_order_is_shown_to_its_customer_only(kefu: Running) -> None:
    order = next(order for order in Shop.load().orders_of(ENGLISH) if order.status == "shipped")
    assert order.id in await ask(kefu, ENGLISH, f"Where is my order {order.id}?")
    for user in (CHINESE, 3):
        reply = await ask(kefu, user, f"Where is my order {order.id}?")
        assert "shipped" not in reply and "已发货" not in reply and str(order.total) not in reply


async def test_suggestions_have_cards_with_buttons(kefu: Running) -> None:
    await kefu.client.send(ENGLISH, "/suggest a lamp under 60")
    reply = await kefu.client.wait_for(ENGLISH, lambda event: bool(event.get("buttons")), timeout=60)
    button = reply["buttons"][0][0]
    await kefu.client.press(ENGLISH, reply["message_id"], button["data"])
    await kefu.client.wait_for(ENGLISH, lambda event: event["type"] == "callback_answer", timeout=60)


async def test_forget_leaves_no_key_of_the_chat(kefu: Running) -> None:
    await ask(kefu, 3, "How long does delivery take?")
    await kefu.client.send(3, "/forget")
    asks = lambda event: "forget:yes" in str(event.get("buttons"))  # noqa: E731
    question = await kefu.client.wait_for(3, asks, timeout=60)
    await kefu.client.press(3, question["message_id"], "forget:yes")
    await kefu.client.wait_for_reply(3)
    await until(lambda: not [key for key in kefu.redis.keys("kefu:*") if ":chat:3:" in key])
    assert kefu.redis.zscore(kefu.names.waiting, "3") is None


async def test_thirty_two_customers_at_once(kefu: Running) -> None:
    """All are answered, and no customer waits for a slot while one is free."""
    users = range(100, 132)
    questions = ["How much is shipping?", "Can I return my order?", "怎么付款？", "你们几点开门？"]
    for user in users:
        await kefu.client.add_user(user, language_code="en" if user % 4 < 2 else "zh")
    await kefu.client.hold(True)
    for user in users:
        await kefu.client.send(user, questions[user % 4])
    await kefu.client.hold(False)
    largest = 0

    def all_are_answered() -> bool:
        nonlocal largest
        claims = len(kefu.redis.keys("*:claim"))
        largest = max(largest, claims)
        return not kefu.redis.zcard(kefu.names.waiting)

    await until(lambda: kefu.redis.zcard(kefu.names.waiting))
    await until(all_are_answered)
    replies = await asyncio.gather(*(kefu.client.wait_for_reply(user, timeout=60) for user in users))
    print(f"\n32 customers at once: at most {largest} of 32 slots in use")
    assert all(reply["text"] for reply in replies)
