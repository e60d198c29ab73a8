"""A broadcast: only an admin's, once to everybody who has not said no, and never before a customer's reply."""

import asyncio
import time

import pytest
from redis import Redis

from bot.sandbox.client import is_reply
from bot.sandbox.errors import Json
from bot.texts.en import EN
from tests.bot.conftest import ADMIN, Shop
from tests.end_to_end.running import run, until
from workers.broadcasts import prepare

OTHER_ADMIN = 8
NEWS = "We are closed on Monday."


async def add_customers(shop: Shop, count: int, first: int = 5000) -> list[int]:
    """Customers who have written not long ago."""
    customers = list(range(first, first + count))
    for customer in customers:
        await shop.has_written(customer)
    shop.redis.zadd(shop.names.audience, dict.fromkeys(map(str, customers), time.time()))
    return customers


async def ask(shop: Shop, admin: int = ADMIN, text: str = NEWS) -> Json:
    """The question with its buttons."""
    await shop.client.send(admin, f"/broadcast {text}")
    return await shop.client.wait_for_reply(admin)


def data_of(message: Json, number: int = 0) -> str:
    return str([button["data"] for row in message["buttons"] for button in row][number])


async def begin(shop: Shop) -> None:
    """An admin writes and confirms, a worker prepares."""
    question = await ask(shop)
    await shop.client.press(ADMIN, question["message_id"], data_of(question))
    await shop.until(lambda: shop.redis.llen("rq:queue:bulk") == 1)
    assert prepare(shop.redis, shop.names, data_of(question).rpartition(":")[2])


async def count_received(shop: Shop, customers: list[int]) -> list[int]:
    return [(await shop.texts(customer)).count(NEWS) for customer in customers]


def figure(shop: Shop, name: str) -> int:
    return int(shop.redis.hget(shop.names.broadcast, name) or 0)


def is_done(shop: Shop) -> bool:
    return shop.redis.hget(shop.names.broadcast, "state") == b"done"


async def test_everybody_who_has_not_said_no_gets_it_once_and_the_admin_hears_how_it_went(shop: Shop) -> None:
    customers = await add_customers(shop, 12)
    muted, gone, with_person, late = customers[:4]
    shop.redis.sadd(shop.names.muted, muted)
    await shop.client.block(gone)
    shop.redis.hset(shop.names.session(with_person), "owner", "person")
    question = await ask(shop)
    assert f"to {len(customers) - 1} customers" in question["text"] and NEWS in question["text"]
    await shop.client.press(ADMIN, question["message_id"], data_of(question))
    await shop.until(lambda: shop.redis.llen("rq:queue:bulk") == 1)
    shop.redis.sadd(shop.names.muted, late)
    shop.redis.srem(shop.names.muted, late)
    assert prepare(shop.redis, shop.names, data_of(question).rpartition(":")[2])
    shop.redis.sadd(shop.names.muted, late)
    begins = await shop.client.wait_for_reply(ADMIN)
    assert "11 recipients" in begins["text"]
    await shop.until(lambda: is_done(shop), 20)
    ended = await shop.client.wait_for(
        ADMIN, lambda event: is_reply(event) and "finished" in event["text"], 15
    )
    assert "8 of 11 sent. 1 could not be reached" in ended["text"] and "1 left out because" in ended["text"]
    assert await count_received(shop, customers) == [0, 0, 0, 0] + [1] * 8
    assert not shop.redis.zscore(shop.names.audience, str(gone))
    assert not shop.redis.exists(shop.names.broadcast_left)


async def test_a_customer_declines_with_the_button_under_it_and_may_come_back(shop: Shop) -> None:
    (customer,) = await add_customers(shop, 1)
    await begin(shop)
    message = await shop.client.wait_for_reply(customer)
    await shop.client.press(customer, message["message_id"], data_of(message))
    assert (await shop.client.wait_for_reply(customer))["text"] == EN.news_off
    assert shop.redis.sismember(shop.names.muted, str(customer))
    await shop.client.send(customer, "/news")
    asked = await shop.client.wait_for_reply(customer)
    await shop.client.press(customer, asked["message_id"], "news:on")
    assert (await shop.client.wait_for_reply(customer))["text"] == EN.news_on
    assert not shop.redis.sismember(shop.names.muted, str(customer))


async def test_every_door_is_for_admins_only(idle_shop: Shop) -> None:
    shop = idle_shop
    await shop.has_written(OTHER_ADMIN)
    await shop.start_bot(admin_ids=(ADMIN, OTHER_ADMIN))
    await add_customers(shop, 3)
    await shop.client.send(1, f"/broadcast {NEWS}")
    assert (await shop.client.wait_for_reply(1))["text"] == EN.unknown_command
    question = await ask(shop)
    go = data_of(question)
    # A customer who has learnt the data, a button of another admin's, and data that somebody made up.
    shop.reply(1, "anything", kind="notice", buttons=(({"text": "x", "data": go},),))
    forged = await shop.client.wait_for_reply(1)
    shop.reply(OTHER_ADMIN, "anything", kind="notice", buttons=(({"text": "x", "data": go},),))
    foreign = await shop.client.wait_for_reply(OTHER_ADMIN)
    for user, message in ((1, forged), (OTHER_ADMIN, foreign)):
        await shop.client.press(user, message["message_id"], go)
        answer = await shop.client.wait_for(user, lambda event: event["type"] == "callback_answer")
        assert answer["text"] == EN.stale_button
    assert not shop.redis.exists(shop.names.broadcast) and not shop.redis.exists("rq:queue:bulk")


async def test_an_admin_who_is_none_any_more_confirms_nothing(idle_shop: Shop) -> None:
    shop = idle_shop
    first = await shop.start_bot()
    await add_customers(shop, 3)
    question = await ask(shop)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await shop.start_bot(admin_ids=())
    await shop.client.press(ADMIN, question["message_id"], data_of(question))
    answer = await shop.client.wait_for(ADMIN, lambda event: event["type"] == "callback_answer", 20)
    assert answer["text"] == EN.stale_button
    assert not shop.redis.exists(shop.names.broadcast)


async def test_a_draft_is_sent_once_and_can_be_dropped(shop: Shop) -> None:
    await add_customers(shop, 2)
    question = await ask(shop)
    for _ in range(2):
        await shop.client.press(ADMIN, question["message_id"], data_of(question))
        await shop.client.wait_for(ADMIN, lambda event: event["type"] == "callback_answer")
    assert shop.redis.llen("rq:queue:bulk") == 1
    second = await ask(shop)
    await shop.client.press(ADMIN, second["message_id"], data_of(second))
    answer = await shop.client.wait_for(ADMIN, lambda event: event["type"] == "callback_answer")
    assert answer["text"] == EN.broadcast_busy
    await shop.client.press(ADMIN, second["message_id"], data_of(second, 1))
    assert (await shop.client.wait_for_reply(ADMIN))["text"] == EN.broadcast_dropped
    assert not shop.redis.keys("kefu:7:draft:*")


async def test_it_stops_when_told_and_says_how_far_it_came(shop: Shop) -> None:
    customers = await add_customers(shop, 80)
    await begin(shop)
    begins = await shop.client.wait_for_reply(ADMIN)
    await shop.client.press(ADMIN, begins["message_id"], data_of(begins))
    ended = await shop.client.wait_for(
        ADMIN, lambda event: is_reply(event) and "stopped" in event["text"], 15
    )
    await shop.until(lambda: not shop.redis.scard(shop.names.outbox_chats), 15)
    received = sum(await count_received(shop, customers))
    assert received < len(customers) and f"of {len(customers)} sent" in ended["text"]
    assert prepare(shop.redis, shop.names, data_of(begins).rpartition(":")[2]) is False


@pytest.mark.timeout(90)
async def test_another_process_goes_on_and_nobody_gets_it_twice(idle_shop: Shop) -> None:
    shop = idle_shop
    first = await shop.start_bot()
    customers = await add_customers(shop, 60)
    await begin(shop)
    await shop.until(lambda: figure(shop, "sent") >= 10, 20)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert 10 <= figure(shop, "fed") < len(customers)
    await shop.start_bot()
    await shop.until(lambda: is_done(shop), 30)
    assert await count_received(shop, customers) == [1] * len(customers)


@pytest.mark.timeout(90)
async def test_customers_who_chat_come_first_and_telegram_never_has_to_say_stop(shop: Shop) -> None:
    """Against the sandbox's own limits: thirty messages a second in all, one a second in a chat."""
    await add_customers(shop, 150)
    await begin(shop)
    await shop.until(lambda: figure(shop, "sent") >= 5, 20)
    waits = []
    for number in range(25):
        customer = 6000 + number
        await shop.has_written(customer)
        started = time.monotonic()
        shop.reply(customer, "a reply")
        await shop.client.wait_for_reply(customer, timeout=20)
        waits.append(time.monotonic() - started)
    assert not is_done(shop), "the replies were to come while it runs"
    assert sorted(waits)[len(waits) // 2] < 0.5
    await shop.until(lambda: is_done(shop), 40)
    assert figure(shop, "sent") == 150
    assert not [call for call in await shop.client.calls("sendMessage") if call["error_code"] == 429]


async def test_forget_takes_a_chat_out_of_the_list(shop: Shop) -> None:
    await shop.client.send(1, "hello")
    await shop.until(lambda: shop.redis.zscore(shop.names.audience, "1"))
    shop.redis.sadd(shop.names.muted, "1")
    await shop.client.send(1, "/forget")
    asked = await shop.client.wait_for_reply(1)
    await shop.client.press(1, asked["message_id"], "forget:yes")
    await shop.until(lambda: not shop.redis.zscore(shop.names.audience, "1"))
    assert not shop.redis.sismember(shop.names.muted, "1")


async def test_a_group_is_no_recipient_and_no_place_for_it(shop: Shop, redis: Redis) -> None:
    await shop.client.post("groups", id=-50, title="Shop", members=[ADMIN, 1])
    await shop.client.post(f"users/{ADMIN}/messages", chat_id=-50, text=f"/broadcast {NEWS}")
    await shop.client.post("users/1/messages", chat_id=-50, text="/help")
    await shop.until(lambda: shop.count("sent") >= 1)
    assert not redis.exists(shop.names.audience) and not redis.keys("kefu:7:draft:*")


@pytest.mark.timeout(300)
async def test_the_job_in_the_bulk_queue_begins_it() -> None:
    async with run(environment={"KEFU_MODEL": "echo"}) as kefu:
        await kefu.client.send(1, "hello")
        await kefu.client.wait_for_reply(1, timeout=120)
        await kefu.client.send(ADMIN, f"/broadcast {NEWS}")
        question = await kefu.client.wait_for_reply(ADMIN, timeout=120)
        await kefu.client.press(ADMIN, question["message_id"], data_of(question))
        assert (await kefu.client.wait_for_reply(1, timeout=120))["text"] == NEWS
        await until(lambda: kefu.redis.hget(kefu.names.broadcast, "state") == "done", 120)
        assert not kefu.redis.exists("rq:queue:bulk")
