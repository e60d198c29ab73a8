"""Filters that more than one router uses."""

from typing import Any

from aiogram.filters import BaseFilter
from aiogram.types import TelegramObject
from magic_filter import MagicFilter


class Matches(BaseFilter):
    """A magic filter, asked where the handlers run. aiogram would give it to a thread: three of them for every message."""

    def __init__(self, magic: MagicFilter) -> None:
        self._magic = magic

    async def __call__(self, event: TelegramObject) -> Any:
        """What the magic filter makes of the event."""
        return self._magic.resolve(event)
