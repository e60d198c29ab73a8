"""What a customer writes and what comes back at once."""

import pytest

from bot.texts import texts_in
from tests.bot.conftest import ADMIN, Shop

EN, ZH = texts_in("en"), texts_in("zh")


async def test_a_question_waits_for_a_worker_and_the_customer_sees_typing(shop: Shop) -> None:
    await shop.client.send(1, "  How long does delivery take?\n")
    await shop.until(lambda: shop.inbox(1))
    (message,) = shop.inbox(1)
    assert (message.text, message.kind, message.language) == ("How long does delivery take?", "text", "en")
    assert (await shop.client.wait_for(1, lambda event: event["type"] == "action"))["action"] == "typing"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ("/start", EN.start),
        ("/start campaign", EN.start),
        ("/help", EN.help),
        ("/reset", EN.reset_done),
        ("/nonsense", EN.unknown_command),
        ("/queues", EN.unknown_command),
    ],
)
async def test_commands_are_answered(shop: Shop, sent: str, answer: str) -> None:
    await shop.client.send(1, sent)
    assert (await shop.client.wait_for_reply(1))["text"] == answer


async def test_what_the_bot_cannot_read_gets_a_notice(shop: Shop) -> None:
    for content in ({"sticker": True}, {"voice": True}, {"photo": True, "caption": "this one?"}):
        await shop.client.send_any(1, **content)
        assert (await shop.client.wait_for_reply(1))["text"] == EN.text_only
    assert shop.inbox(1) == []


async def test_an_edit_gets_a_notice(shop: Shop) -> None:
    sent = await shop.client.send(1, "/help")
    await shop.client.wait_for_reply(1)
    await shop.client.edit(1, sent["message_id"], "something else")
    assert (await shop.client.wait_for_reply(1))["text"] == EN.edited


async def test_the_language_is_the_phones_until_it_is_chosen(shop: Shop) -> None:
    await shop.client.add_user(31, language_code="zh-hans")
    await shop.client.send(31, "/start")
    assert (await shop.client.wait_for_reply(31))["text"] == ZH.start
    await shop.client.send(31, "/language")
    question = await shop.client.wait_for_reply(31)
    assert question["text"] == ZH.language_question
    await shop.client.press(31, question["message_id"], "lang:en")
    assert (await shop.client.wait_for_reply(31))["text"] == EN.language_set
    await shop.client.send(31, "/help")
    assert (await shop.client.wait_for_reply(31))["text"] == EN.help


async def test_forget_asks_and_leaves_nothing_behind(shop: Shop) -> None:
    await shop.client.send(1, "/language zh")
    await shop.client.wait_for_reply(1)
    await shop.client.send(1, "my secret")
    await shop.until(lambda: shop.inbox(1))
    await shop.client.send(1, "/forget")
    question = await shop.client.wait_for_reply(1)
    assert shop.inbox(1)
    await shop.client.press(1, question["message_id"], "forget:yes")
    assert (await shop.client.wait_for_reply(1))["text"] == ZH.forget_done
    await shop.until(lambda: not shop.redis.keys("kefu:7:chat:1:*"))
    assert shop.redis.zscore(shop.names.waiting, "1") is None
    assert not shop.redis.sismember(shop.names.outbox_chats, "1")


async def test_forget_can_be_declined(shop: Shop) -> None:
    await shop.client.send(1, "/forget")
    question = await shop.client.wait_for_reply(1)
    await shop.client.press(1, question["message_id"], "forget:no")
    assert (await shop.client.wait_for_reply(1))["text"] == EN.forget_kept


async def test_a_repeated_update_has_one_effect(shop: Shop) -> None:
    sent = await shop.client.send(1, "hello")
    await shop.until(lambda: shop.inbox(1))
    await shop.client.post("repeat", update_id=sent["update_id"])
    await shop.until(lambda: shop.count("duplicates") == 1)
    assert len(shop.inbox(1)) == 1


async def test_a_full_queue_is_told_at_once_with_its_real_length(idle_shop: Shop) -> None:
    await idle_shop.start_bot(queue_limit=2)
    for user in (31, 32, 33):
        await idle_shop.client.add_user(user)
        await idle_shop.client.send(user, "hello")
        if user < 33:
            await idle_shop.until(lambda user=user: idle_shop.inbox(user))
    assert (await idle_shop.client.wait_for_reply(33))["text"] == EN.queue_full.format(waiting=2)
    assert idle_shop.inbox(33) == []
    assert idle_shop.count("turned_away") == 1


async def test_a_customer_who_writes_too_much_is_told_so_once(idle_shop: Shop) -> None:
    await idle_shop.start_bot(customer_limit=2)
    await idle_shop.client.post("users", id=34, language_code="zh-hans")
    for number in range(5):
        await idle_shop.client.send(34, f"hello {number}")
    await idle_shop.until(lambda: idle_shop.count("too_many") == 3)
    await idle_shop.client.wait_for_reply(34)
    assert await idle_shop.texts(34) == [ZH.too_many]
    assert [message.text for message in idle_shop.inbox(34)] == ["hello 0", "hello 1"]


async def test_while_a_person_has_the_conversation_the_bot_is_silent(shop: Shop) -> None:
    shop.redis.hset(shop.names.session(1), "owner", "person")
    await shop.client.send(1, "are you there?")
    await shop.until(lambda: shop.inbox(1))
    shop.reply(1, "an answer that came too late")
    await shop.until(lambda: shop.count("silenced") == 1)
    assert await shop.texts(1) == []
    assert shop.redis.zscore(shop.names.waiting, "1") is None


async def test_in_a_group_only_what_is_meant_for_the_bot_is_a_question(shop: Shop) -> None:
    await shop.client.post("groups", id=-50, title="Friends", members=[1, 2])
    await shop.client.send_any(1, text="let us have lunch", chat_id=-50)
    await shop.client.send_any(1, text=f"@{shop.sandbox.telegram.username}_2 is another's", chat_id=-50)
    await shop.client.send_any(1, text="/help", chat_id=-50)
    await shop.until(lambda: shop.count("sent") == 1)
    assert shop.inbox(-50) == []


async def test_an_admin_sees_queues_and_counters(shop: Shop) -> None:
    await shop.client.send(1, "hello")
    await shop.until(lambda: shop.inbox(1))
    await shop.client.send(ADMIN, "/queues")
    text = (await shop.client.wait_for_reply(ADMIN))["text"]
    assert "support: 1 waiting, 0 in flight, 0 failed" in text
    assert "Customers waiting: 1" in text and EN.no_workers in text
    await shop.client.send(ADMIN, "/stats")
    assert "accepted: 1" in (await shop.client.wait_for_reply(ADMIN))["text"]
