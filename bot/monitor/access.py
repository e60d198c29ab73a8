"""Who may see the dashboard: an admin with a link from the bot, with the session it opened, or in Telegram's Mini App.

    link      `link.USER.UNTIL.NONCE.SIGNATURE`, for ten minutes, once (whoever opens it burns the nonce in Redis)
    session   `session.USER.UNTIL.NONCE.SIGNATURE`, a cookie that scripts cannot read, for twelve hours
    Mini App  what Telegram signs for the page that it opens (core.telegram.org/bots/webapps), for an hour

Signatures are HMAC-SHA256 under a key that is derived from the bot's token: nothing is stored, a new token ends all
sessions, and an id that is taken from the admins is out at once. Pure: no network, no Redis.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from aiogram.utils.web_app import safe_parse_webapp_init_data
from pydantic import ValidationError

Purpose = Literal["link", "session"]

LINK_SECONDS = 600
SESSION_SECONDS = 12 * 3600
APP_SECONDS = 3600
_SECONDS: dict[Purpose, int] = {"link": LINK_SECONDS, "session": SESSION_SECONDS}


@dataclass(frozen=True)
class Pass:
    """A pass that holds: whose it is, until when (seconds since the epoch), and its random name."""

    user_id: int
    until: int
    nonce: str


class Access:
    """Writes and reads the passes of one bot's admins."""

    def __init__(
        self, token: str, admin_ids: Collection[int], clock: Callable[[], float] = time.time
    ) -> None:
        self._token = token
        self._key = hmac.digest(token.encode(), b"kefu dashboard", "sha256")
        self._admin_ids = frozenset(admin_ids)
        self._clock = clock

    def issue(self, purpose: Purpose, user_id: int) -> str:
        """A new pass. Whether the user is an admin is looked at when it is shown."""
        until = int(self._clock()) + _SECONDS[purpose]
        body = f"{purpose}.{user_id}.{until}.{secrets.token_urlsafe(9)}"
        return f"{body}.{self._sign(body)}"

    def read(self, purpose: Purpose, shown: str) -> Pass | None:
        """The pass, or None if it is another's, over, made for something else or not ours."""
        body, _, signature = shown.rpartition(".")
        if not shown.isascii() or not hmac.compare_digest(self._sign(body), signature):
            return None
        named, user_id, until, nonce = body.split(".")
        found = Pass(int(user_id), int(until), nonce)
        if named != purpose or found.until <= self._clock() or found.user_id not in self._admin_ids:
            return None
        return found

    def read_app(self, init_data: str) -> int | None:
        """The admin for whom Telegram has opened the Mini App with this `initData`, or None."""
        try:
            data = safe_parse_webapp_init_data(self._token, init_data)
        except (ValueError, ValidationError):
            return None
        age = self._clock() - data.auth_date.timestamp()
        if data.user is None or data.user.id not in self._admin_ids or not -60 <= age <= APP_SECONDS:
            return None
        return data.user.id

    def seal(self, credential: str) -> str:
        """What a page with this session or initData must add to an action: no other page can know it."""
        return self._sign(f"seal.{credential}")

    def is_sealed(self, credential: str, shown: str) -> bool:
        """Whether what came with an action is the seal of this session or initData."""
        return shown.isascii() and hmac.compare_digest(self.seal(credential), shown)

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Links:
    """The dashboard's addresses. `base` is where the bot's server is reached, without a slash at its end."""

    access: Access
    base: str

    @property
    def is_public(self) -> bool:
        """Whether Telegram would put the address under a button."""
        return self.base.startswith("https://")

    @property
    def app(self) -> str:
        """The Mini App's address."""
        return f"{self.base}/dashboard?app"

    def for_admin(self, user_id: int) -> str:
        """A link that lets this admin in once."""
        return f"{self.base}/dashboard/enter?pass={self.access.issue('link', user_id)}"
