"""Updates reach a webhook in order, with the secret, again and again until they are taken."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiogram import Bot, Dispatcher
from aiogram.exceptions import TelegramBadRequest, TelegramConflictError
from aiogram.methods import SendMessage
from aiogram.types import Message
from aiogram.webhook.aiohttp_server import SimpleRequestHandler
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.sandbox import webhook
from bot.sandbox.client import SandboxClient
from tests.sandbox.conftest import MIA


class Receiver:
    """A webhook that answers with the given statuses first and 200 afterwards."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.texts: asyncio.Queue[str] = asyncio.Queue()
        self.secrets: list[str | None] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        update = await request.json()
        self.texts.put_nowait(update["message"]["text"])
        self.secrets.append(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def take_texts(self, count: int) -> list[str]:
        """The next so many texts."""
        return [await asyncio.wait_for(self.texts.get(), 5) for _ in range(count)]


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setattr(webhook, "FIRST_PAUSE", 0.05)
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    async with TestServer(app) as server:
        receiver.url = str(server.make_url("/hook"))
        yield receiver


async def test_refused_update_comes_again_before_the_next(
    bot: Bot, people: SandboxClient, receiver: Receiver
) -> None:
    receiver.statuses = [503, 503]
    await bot.set_webhook(receiver.url, secret_token="s3cret_-")
    for text in ("one", "two"):
        await people.send(MIA, text)
    assert await receiver.take_texts(4) == ["one", "one", "one", "two"]
    assert set(receiver.secrets) == {"s3cret_-"}
    info = await bot.get_webhook_info()
    assert info.last_error_message == "Wrong response from the webhook: 503 Service Unavailable"


async def test_polling_and_webhook_exclude_each_other(
    bot: Bot, people: SandboxClient, receiver: Receiver
) -> None:
    poll = asyncio.create_task(bot.get_updates(timeout=10))
    await asyncio.sleep(0.1)
    await bot.set_webhook(receiver.url)
    with pytest.raises(TelegramConflictError, match="terminated by setWebhook"):
        await poll
    with pytest.raises(TelegramConflictError, match="while webhook is active"):
        await bot.get_updates()
    await bot.delete_webhook()
    await people.send(MIA, "to the poller")
    assert len(await bot.get_updates()) == 1
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == []


async def test_updates_from_before_are_delivered(bot: Bot, people: SandboxClient, receiver: Receiver) -> None:
    await people.send(MIA, "early")
    assert (await bot.get_webhook_info()).pending_update_count == 1
    await bot.set_webhook(receiver.url)
    assert await receiver.take_texts(1) == ["early"]


async def test_webhook_may_answer_with_a_call(bot: Bot, people: SandboxClient) -> None:
    dispatcher = Dispatcher()

    @dispatcher.message()
    async def echo(message: Message) -> SendMessage:
        return SendMessage(chat_id=message.chat.id, text=f"echo {message.text}")

    app = web.Application()
    SimpleRequestHandler(dispatcher, bot, handle_in_background=False).register(app, "/hook")
    async with TestServer(app) as server:
        await bot.set_webhook(str(server.make_url("/hook")))
        await people.send(MIA, "hello")
        assert (await people.wait_for_reply(MIA))["text"] == "echo hello"
        await bot.delete_webhook()


@pytest.mark.parametrize(
    ("url", "secret", "reason"),
    [
        ("http://shop.example/hook", "a", "An HTTPS URL must be provided"),
        ("https:///hook", "a", "invalid URL"),
        ("https://shop.example/hook", "a b", "unallowed characters"),
        ("https://shop.example/hook", "a" * 257, "1-256 allowed"),
    ],
)
async def test_bad_webhook_is_refused(bot: Bot, url: str, secret: str, reason: str) -> None:
    with pytest.raises(TelegramBadRequest, match=reason):
        await bot.set_webhook(url, secret_token=secret)


async def test_an_update_whose_answer_was_lost_comes_again_after_a_while(
    bot: Bot, people: SandboxClient, receiver: Receiver
) -> None:
    await people.fault("webhook", mode="deliver_then_hang", seconds=0.3)
    await bot.set_webhook(receiver.url)
    for text in ("one", "two"):
        await people.send(MIA, text)
    assert await receiver.take_texts(3) == ["one", "one", "two"]
    await people.fault("webhook", mode="drop", seconds=0.1)
    await people.send(MIA, "three")
    assert await receiver.take_texts(1) == ["three"]


async def test_updates_to_a_webhook_come_out_of_order(
    bot: Bot, people: SandboxClient, receiver: Receiver
) -> None:
    await people.hold(True)
    for text in ("one", "two", "three"):
        await people.send(MIA, text)
    await people.fault("webhook", mode="shuffle")
    await bot.set_webhook(receiver.url)
    await people.hold(False)
    assert await receiver.take_texts(3) == ["two", "one", "three"]
    assert (await bot.get_webhook_info()).pending_update_count == 0
