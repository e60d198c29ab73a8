"""Updates that cannot have their effect: counted, put before the admins, and told to the customer if there is one.

Keeps no content of such an update, only its id and the name of the error.
"""

import logging

from aiogram.types import Update
from redis.exceptions import RedisError

from bot.alerts import Alerts
from bot.intake import Intake
from bot.middlewares.intake import describe
from bot.persistence import until_answered
from workers.sessions import SessionReader

log = logging.getLogger(__name__)


class Quarantine:
    """Sets updates aside; returns only when that is written."""

    def __init__(self, alerts: Alerts, sessions: SessionReader, intake: Intake) -> None:
        self._alerts = alerts
        self._sessions = sessions
        self._intake = intake

    async def set_aside(
        self, kind: str, update_id: int | None, error: str, update: Update | None = None
    ) -> None:
        """Note that an update had no effect, because of this `kind` of trouble."""
        await until_answered(
            lambda: self._alerts.add("set_aside", kind=kind, update_id=update_id, error=error)
        )
        if update is not None:
            await until_answered(lambda: self._apologize(update))

    async def _apologize(self, update: Update) -> None:
        """A handler of ours failed, so the customer hears that at least."""
        try:
            incoming = await describe(update, self._sessions)
            if incoming is not None and incoming.is_private:
                await self._intake.say(incoming, incoming.texts.trouble)
        except RedisError:
            raise
        except Exception:
            log.exception(
                "a customer could not be told of the trouble", extra={"update_id": update.update_id}
            )
