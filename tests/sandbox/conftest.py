"""A sandbox over real HTTP, a bot of aiogram's that talks to it, a person, and raw calls."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiohttp import ClientSession

from bot.sandbox.client import SandboxClient
from bot.sandbox.server import Sandbox

TOKEN = "42:secret"
MIA, WEI = 1, 2

Call = Callable[..., Awaitable[dict[str, Any]]]


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    async with Sandbox(TOKEN, limits=False, clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
async def people(sandbox: Sandbox) -> AsyncIterator[SandboxClient]:
    async with SandboxClient(sandbox.url) as people:
        yield people


@pytest.fixture
async def bot(sandbox: Sandbox) -> AsyncIterator[Bot]:
    api = TelegramAPIServer.from_base(sandbox.url)
    async with Bot(TOKEN, session=AiohttpSession(api=api)) as bot:
        yield bot


@pytest.fixture
async def call(sandbox: Sandbox) -> AsyncIterator[Call]:
    """`await call("sendMessage", chat_id=1, text="x")` posts JSON and returns the whole response."""
    async with ClientSession() as session:

        async def call(method: str, **params: object) -> dict[str, Any]:
            async with session.post(f"{sandbox.url}/bot{TOKEN}/{method}", json=params) as response:
                body: dict[str, Any] = await response.json()
                assert response.status == body.get("error_code", 200)
                return body

        yield call
