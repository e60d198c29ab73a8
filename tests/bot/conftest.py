"""The real bot in this process, against the sandbox over HTTP and a real Redis; replies are put where a worker puts them."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from bot.main import run
from bot.sandbox.client import SandboxClient
from bot.sandbox.server import Sandbox
from workers.channel import Names
from workers.contracts import CustomerMessage, OutboxEntry, Reply
from workers.settings import Settings

TOKEN = "7:sandbox"
ADMIN = 9


class Shop:
    """What a test can do: be a customer, be a worker, look into Redis."""

    def __init__(self, sandbox: Sandbox, client: SandboxClient, redis: Redis, settings: Settings) -> None:
        self.sandbox = sandbox
        self.client = client
        self.redis = redis
        self.settings = settings
        self.names = Names(7)
        self._numbers = itertools.count(1)
        self._bots: list[asyncio.Task[None]] = []

    async def start_bot(self, **overrides: Any) -> asyncio.Task[None]:
        """Start the bot with these settings over the test's own."""
        task = asyncio.create_task(run(self.settings.model_copy(update=overrides)))
        self._bots.append(task)
        return task

    async def stop_bots(self) -> None:
        """Stop every bot as SIGTERM would."""
        for task in self._bots:
            task.cancel()
        await asyncio.gather(*self._bots, return_exceptions=True)

    async def has_written(self, user: int) -> None:
        """A bot may write to nobody who has never written to it."""
        await self.client.post("users", id=user, started=True)

    def inbox(self, chat_id: int) -> list[CustomerMessage]:
        """What waits for a worker."""
        raw = self.redis.lrange(self.names.inbox(chat_id), 0, -1)
        return [CustomerMessage.model_validate_json(item) for item in raw]

    def reply(
        self,
        chat_id: int,
        text: str = "",
        *,
        draft_id: int = 0,
        entry_id: str = "",
        answers: tuple[str, ...] = (),
        **fields: Any,
    ) -> str:
        """Commit a reply as a worker does."""
        entry_id = entry_id or f"e{next(self._numbers)}"
        reply = Reply(**({"kind": "answer", "language": "en", "text": text} | fields))
        entry = OutboxEntry(
            id=entry_id,
            chat_id=chat_id,
            reply=reply,
            answers=answers,
            created_at=time.time(),
            draft_id=draft_id,
        )
        with self.redis.pipeline() as pipe:
            pipe.rpush(self.names.outbox(chat_id), entry.model_dump_json())
            pipe.sadd(self.names.outbox_chats, str(chat_id))
            pipe.publish(self.names.outbox_wake, str(chat_id))
            pipe.execute()
        return entry_id

    def count(self, name: str) -> int:
        """A counter of the bot."""
        return int(self.redis.hget(self.names.stats, name) or 0)

    async def until(self, condition: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until Redis, which tells nobody, has what `condition` looks for."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def texts(self, user: int) -> list[str]:
        """What the bot has written to a user."""
        return [message["text"] for message in await self.client.messages(user)]


@pytest.fixture
async def idle_shop(redis_url: str, redis: Redis) -> AsyncIterator[Shop]:
    """Everything but a running bot."""
    async with Sandbox(TOKEN) as sandbox, SandboxClient(sandbox.url) as client:
        settings = Settings(
            _env_file=None,
            bot_token=SecretStr(TOKEN),
            telegram_api=sandbox.url,
            redis_url=redis_url,
            admin_ids=(ADMIN,),
            http_port=0,
        )
        shop = Shop(sandbox, client, redis, settings)
        for user in (1, 2):
            await shop.has_written(user)
        try:
            yield shop
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await shop.stop_bots()


@pytest.fixture
async def shop(idle_shop: Shop) -> Shop:
    """With a bot that runs."""
    await idle_shop.start_bot()
    return idle_shop
