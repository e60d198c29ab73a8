"""Holds an update until its effect is in Redis: an outage is waited out, and nothing is confirmed before.

Also tells handlers who writes from where and in which language, which Redis must answer too.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.dispatcher.middlewares.user_context import UserContextMiddleware
from aiogram.types import TelegramObject, Update
from structlog.contextvars import bound_contextvars

from bot.intake import Incoming
from bot.persistence import until_answered
from bot.texts import language_of
from workers.sessions import SessionReader

Handler = Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]]


class IntakeMiddleware(BaseMiddleware):
    """An outer middleware of updates. `patience` in seconds, after which NotAnswered is raised; None waits for ever."""

    def __init__(self, sessions: SessionReader, patience: float | None = None) -> None:
        self._sessions = sessions
        self._patience = patience

    async def __call__(self, handler: Handler, event: TelegramObject, data: dict[str, Any]) -> Any:
        """Run the handlers until Redis has taken what they write. They may run twice: each writes once per update."""
        assert isinstance(event, Update)

        async def handle() -> Any:
            data["incoming"] = await describe(event, self._sessions)
            return await handler(event, data)

        with bound_contextvars(update_id=event.update_id):
            return await until_answered(handle, self._patience)


async def describe(update: Update, sessions: SessionReader) -> Incoming | None:
    """Who writes, where and in which language; None for an update that has no chat."""
    context = UserContextMiddleware.resolve_event_context(update)
    if context.chat is None:
        return None
    chosen = await sessions.language(context.chat.id)
    message = update.message or update.edited_message
    return Incoming(
        update_id=update.update_id,
        chat_id=context.chat.id,
        user_id=context.user.id if context.user else context.chat.id,
        language=chosen or language_of(context.user.language_code if context.user else None),
        message_id=message.message_id if message else None,
    )
