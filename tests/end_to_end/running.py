"""One running stack with a person's view of it and a look into its Redis, for the end-to-end tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bot.sandbox.client import SandboxClient
from bot.stack import Stack
from workers.channel import Names
from workers.connection import connect

ENGLISH, CHINESE, ADMIN = 1, 2, 9
"""Users of the sandbox. The first two are customers of the demo shop."""


class Running:
    """The parts of a stack that a test acts on and looks at."""

    def __init__(self, stack: Stack, client: SandboxClient) -> None:
        self.stack = stack
        self.client = client
        self.redis = connect(stack.redis_url, decode_responses=True)
        self.names = Names(int(stack.sandbox.token.partition(":")[0]))

    def count(self, name: str) -> int:
        """One of the counters in Redis."""
        return int(self.redis.hget(self.names.stats, name) or 0)

    async def replies(self, user: int) -> list[str]:
        """The texts that the bot has sent to a user, oldest first."""
        return [event["text"] for event in await self.client.messages(user)]

    async def is_quiet(self) -> None:
        """Wait until nothing waits in any inbox or outbox, and a little longer."""
        await until(lambda: not self.redis.keys("*:inbox") and not self.redis.keys("*:outbox"))
        await asyncio.sleep(0.5)


@asynccontextmanager
async def run(**options: object) -> AsyncIterator[Running]:
    """A stack of its own, without Telegram's flood limits unless asked for."""
    async with Stack(**{"limits": False, **options}) as stack:  # type: ignore[arg-type]
        async with SandboxClient(stack.sandbox.url) as client:
            running = Running(stack, client)
            try:
                yield running
            finally:
                running.redis.close()


async def until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds; fail when it does not in time."""
    for _ in range(int(seconds / 0.02)):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not come to hold within {seconds:g} s")
