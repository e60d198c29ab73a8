"""The client for Telegram: whatever stands between it and Telegram, a call ends with a result or an AiogramError."""

import pytest
from aiogram.exceptions import AiogramError
from aiogram.methods import GetMe
from aiohttp import web
from pydantic import SecretStr

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
