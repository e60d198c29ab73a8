"""The client for Telegram: whatever stands between it and Telegram, a call ends with a result or an AiogramError."""

import pytest
from aiogram.exceptions import AiogramError
from aiogram.methods import GetMe
from aiohttp import web
from pydantic import SecretStr

from bot.delivery import _send_message
from bot.render import Part
from bot.telegram import make_bot
from bot.web import serve
from workers.settings import Settings


@pytest.mark.parametrize(
    "page", [b"", b"\xef\xe8\xed\xe3", b"[]", b"null", b'{"ok": true}', b'{"ok": false}', b"<html>"]
)
async def test_what_a_proxy_answers_is_a_failed_call(page: bytes) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=502, body=page, content_type="text/html")

    app = web.Application()
    app.router.add_post("/{call:.*}", answer)
    async with serve(app, "127.0.0.1", 0) as port:
        settings = Settings(
            _env_file=None, bot_token=SecretStr("7:sandbox"), telegram_api=f"http://127.0.0.1:{port}"
        )
        async with make_bot(settings) as bot:
            with pytest.raises(AiogramError):
                await bot(GetMe())


async def test_a_send_that_telegram_took_is_sent_whatever_it_says_of_the_message() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "result": {"message_id": "none", "new_field": []}})

    app = web.Application()
    app.router.add_post("/{call:.*}", answer)
    async with serve(app, "127.0.0.1", 0) as port:
        settings = Settings(
            _env_file=None, bot_token=SecretStr("7:sandbox"), telegram_api=f"http://127.0.0.1:{port}"
        )
        async with make_bot(settings) as bot:
            await bot(_send_message(5, Part("hello")))
