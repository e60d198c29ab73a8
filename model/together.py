"""Does what several callers ask for at the same moment in one step.

Callers of one event loop that come before it turns again share a call. Knows nothing of what is asked.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Given = TypeVar("Given")


class Together(Generic[Asked, Given]):
    """`step` answers many at once, in their order; at most `most` of them."""

    def __init__(self, step: Callable[[Sequence[Asked]], Sequence[Given]], most: int = 64) -> None:
        self._step = step
        self._most = most
        self._waiting: list[tuple[Asked, asyncio.Future[Given]]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, asked: Asked) -> Given:
        """What the step makes of this one. An error of the step is everybody's who shares it."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # another one ended, and whoever waited there with it
            self._loop, self._waiting = loop, []
        if not self._waiting:
            loop.call_soon(self._go)
        future: asyncio.Future[Given] = loop.create_future()
        self._waiting.append((asked, future))
        return await future

    def _go(self) -> None:
        waiting, self._waiting = self._waiting, []
        wanted = [(asked, future) for asked, future in waiting if not future.cancelled()]
        for start in range(0, len(wanted), self._most):
            some = wanted[start : start + self._most]
            try:
                given = self._step([asked for asked, _ in some])
            except Exception as error:
                for _, future in some:
                    future.set_exception(error)
                continue
            for (_, future), one in zip(some, given, strict=True):
                future.set_result(one)
