"""/write: only an admin's, written once from facts, and kept only if the admin approves."""

import pytest

from bot.handlers.writing import parse
from bot.sandbox.errors import Json
from bot.texts.en import EN
from model.shop import Shop as Records
from model.writer import Writer
from tests.bot.conftest import ADMIN, Shop
from workers.echo import EchoAssistant
from workers.jobs import GivenUp, Services, provide, write
from workers.writings import Approved


async def inline(step):
    return step()


async def ask(shop: Shop, text: str) -> Json:
    """An admin asks, a worker writes; what the admin then sees."""
    await shop.client.send(ADMIN, f"/write {text}")
    begun = await shop.client.wait_for_reply(ADMIN)
    assert begun["text"] == EN.write_begun
    await shop.until(lambda: shop.redis.llen("rq:queue:bulk") >= 1)
    await work(shop)
    return await shop.client.wait_for_reply(ADMIN)


async def work(shop: Shop) -> None:
    """A worker's execution of every text that is asked for."""
    provide(
        Services(
            shop.redis, EchoAssistant(), inline, lambda step: None, make_writer=lambda: Writer(Records.load())
        )
    )
    for key in shop.redis.keys(shop.names.writing("*")):
        await write(7, key.decode().rpartition(":")[2])


def buttons(message: Json) -> dict[str, str]:
    return {button["text"]: button["data"] for row in message["buttons"] for button in row}


def approved(shop: Shop) -> list[Approved]:
    return [Approved.read(raw) for raw in shop.redis.lrange(shop.names.writings, 0, -1)]


async def test_a_text_is_held_until_its_admin_approves_it(shop: Shop) -> None:
    message = await ask(shop, "description P1001")
    assert "Aurora Lamp" in message["text"] and "49.90 EUR" in message["text"]
    assert approved(shop) == []
    await shop.client.press(ADMIN, message["message_id"], buttons(message)["Approve"])
    await shop.until(lambda: approved(shop))
    (kept,) = approved(shop)
    assert (kept.admin_id, kept.kind, kept.subject) == (ADMIN, "description", "P1001")
    assert kept.text in message["text"]
    assert not shop.redis.keys(shop.names.writing("*"))


async def test_a_text_can_be_thrown_away_and_its_buttons_are_dead_then(shop: Shop) -> None:
    message = await ask(shop, "news We open on Sundays\nFrom 10:00 to 16:00")
    await shop.client.press(ADMIN, message["message_id"], buttons(message)["Throw away"])
    await shop.until(lambda: not shop.redis.keys(shop.names.writing("*")))
    await shop.client.press(ADMIN, message["message_id"], buttons(message)["Approve"])
    assert (await shop.client.wait_for_reply(ADMIN))["text"] == EN.write_dropped
    assert approved(shop) == []


async def test_written_twice_it_comes_once(shop: Shop) -> None:
    await ask(shop, "questions P1001")
    before = await shop.texts(ADMIN)
    await work(shop)
    assert shop.redis.llen(shop.names.outbox(ADMIN)) == 0
    assert await shop.texts(ADMIN) == before


async def test_what_has_no_facts_is_said_and_nothing_is_held(shop: Shop) -> None:
    message = await ask(shop, "description P9999")
    assert "I do not know that product" in message["text"]
    assert not message.get("buttons")
    assert not shop.redis.keys(shop.names.writing("*"))


async def test_an_unsound_text_cannot_be_approved(shop: Shop) -> None:
    class Careless(Writer):
        def write(self, kind, subject, facts, language):
            sound = super().write(kind, subject, facts, language)
            return type(sound)(f"{sound.text} Only 9.99 EUR!", ("9.99 EUR",))

    provide(
        Services(
            shop.redis,
            EchoAssistant(),
            inline,
            lambda step: None,
            make_writer=lambda: Careless(Records.load()),
        )
    )
    await shop.client.send(ADMIN, "/write description P1001")
    assert (await shop.client.wait_for_reply(ADMIN))["text"] == EN.write_begun
    (key,) = shop.redis.keys(shop.names.writing("*"))
    await write(7, key.decode().rpartition(":")[2])
    message = await shop.client.wait_for_reply(ADMIN)
    assert "9.99 EUR" in message["text"]
    assert list(buttons(message)) == ["Throw away"]


async def test_a_fault_while_writing_is_told_once_and_nothing_is_held(shop: Shop) -> None:
    class Broken(Writer):
        def write(self, kind, subject, facts, language):
            raise ZeroDivisionError("words of the shop")

    provide(
        Services(
            shop.redis, EchoAssistant(), inline, lambda step: None, make_writer=lambda: Broken(Records.load())
        )
    )
    await shop.client.send(ADMIN, "/write description P1001")
    assert (await shop.client.wait_for_reply(ADMIN))["text"] == EN.write_begun
    (key,) = shop.redis.keys(shop.names.writing("*"))
    with pytest.raises(GivenUp, match="ZeroDivisionError") as told:
        await write(7, key.decode().rpartition(":")[2])
    assert "words of the shop" not in str(told.value)
    assert "Please ask once more" in (await shop.client.wait_for_reply(ADMIN))["text"]
    assert not shop.redis.keys(shop.names.writing("*"))


async def test_for_customers_the_command_does_not_exist(shop: Shop) -> None:
    await shop.client.send(1, "/write description P1001")
    await shop.client.wait_for_reply(1)
    assert not shop.redis.keys(shop.names.writing("*"))
    assert not shop.redis.llen("rq:queue:bulk")


async def test_alone_it_says_how(shop: Shop) -> None:
    await shop.client.send(ADMIN, "/write")
    assert (await shop.client.wait_for_reply(ADMIN))["text"] == EN.write_usage


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("description P1001", ("description", "P1001", ())),
        ("描述 P1001", ("description", "P1001", ())),
        ("reviews\ngood\n\n bad ", ("reviews", "", ("good", "bad"))),
        ("news Sundays\nopen", ("news", "", ("Sundays", "open"))),
        ("news", None),
        ("reviews P1001", None),
        ("poem about tea", None),
        ("", None),
    ],
)
def test_the_command_is_read(text: str, read: object) -> None:
    assert parse(text) == read
