"""What is remembered of a chat: its language, who has the conversation, earlier turns, products shown.

Everything expires. The bot only asks for language and owner; workers read it whole. Written through the
channel's and the mailbox's transactions, never here, so that nobody writes over another's fields.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar, cast

import redis
import redis.asyncio
from pydantic import ValidationError

from workers.channel import Names
from workers.contracts import EventRecord, Language, Turn
from workers.scripts import Call, load_script
from workers.trips import Trips

Owner = Literal["bot", "person"]
Kept = TypeVar("Kept", Turn, EventRecord)

HISTORY_TURNS = 20
"""Turns that are kept at most; what a prompt gets of them is a matter of tokens."""
SHOWN_PRODUCTS = 200
"""Products remembered as shown; how long one is not suggested again is a matter of time."""


@dataclass(frozen=True)
class Session:
    """The state of one chat. `language` is None until the customer has chosen one."""

    language: Language | None = None
    owner: Owner = "bot"
    history: tuple[Turn, ...] = ()
    shown: tuple[str, ...] = ()
    """Products, the latest last."""
    shown_at: Mapping[str, float] = field(default_factory=dict)
    """When each was shown, in seconds; those that an earlier version showed are missing."""
    events: tuple[EventRecord, ...] = ()
    is_muted: bool = False
    """Whether the customer has declined the shop's news, and so whatever they did not ask for."""

    @property
    def last_wish(self) -> str:
        """What the customer asked suggestions for last, if that was the latest thing."""
        last = self.history[-1] if self.history else None
        return last.customer if last is not None and last.question_type == "suggest" else ""

    def recent(self, budget: int) -> tuple[Turn, ...]:
        """The newest turns that fit into `budget` tokens, oldest first."""
        kept: list[Turn] = []
        for turn in reversed(self.history):
            budget -= estimate_tokens(turn.customer) + estimate_tokens(turn.reply)
            if budget < 0:
                break
            kept.append(turn)
        return tuple(reversed(kept))

    def shown_when(self) -> tuple[tuple[str, float], ...]:
        """Products shown so far and when. Of those without a time it is taken to be now."""
        return tuple((name, self.shown_at.get(name, math.inf)) for name in self.shown)

    def shown_with(self, products: Sequence[str], now: float) -> tuple[tuple[str, float], ...]:
        """The same with these added."""
        before = [one for one in self.shown_when() if one[0] not in products]
        times = [(name, now if math.isinf(at) else at) for name, at in before]
        return tuple([*times, *((name, now) for name in dict.fromkeys(products))])[-SHOWN_PRODUCTS:]


class Sessions:
    """Reads sessions, for workers."""

    def __init__(self, connection: redis.Redis, bot_id: int) -> None:
        self._redis = connection
        self._names = Names(bot_id)

    def read(self, chat_id: int) -> Call[Session]:
        """The chat's session; an empty one for a new chat."""
        names = self._names
        keys = [names.session(chat_id), names.history(chat_id), names.events(chat_id), names.muted]
        return Call(load_script("session"), keys, (chat_id,), _read_session, self._redis)


class SessionReader:
    """The little that the bot asks, on its event loop."""

    def __init__(self, connection: redis.asyncio.Redis, bot_id: int, *, trips: Trips | None = None) -> None:
        self._trips = trips or Trips(connection)
        self._names = Names(bot_id)

    async def language(self, chat_id: int) -> Language | None:
        """The language that the customer chose, None if they have not."""
        return _language(await self._field(chat_id, "language"))

    async def owner(self, chat_id: int) -> Owner:
        """Who has the conversation."""
        return _owner(await self._field(chat_id, "owner"))

    async def _field(self, chat_id: int, name: str) -> str | None:
        value = await self._trips.command("HGET", self._names.session(chat_id), name)
        return None if value is None else _text(value)


def estimate_tokens(text: str) -> int:
    """A rough count that needs no tokenizer: a Chinese character is one, four others are one."""
    wide = sum(character > "\u2e7f" for character in text)
    return wide + (len(text) - wide + 3) // 4


def _read_session(reply: tuple[Sequence[bytes], Sequence[bytes], Sequence[bytes], int]) -> Session:
    fields, turns, events, muted = reply
    known = {_text(name): _text(value) for name, value in zip(fields[::2], fields[1::2], strict=True)}
    return Session(
        language=_language(known.get("language")),
        owner=_owner(known.get("owner")),
        history=tuple(turn for raw in turns if (turn := _readable(Turn, raw)) is not None),
        shown=tuple(json.loads(known.get("shown", "[]"))),
        shown_at=json.loads(known.get("shown_at", "{}")),
        events=tuple(event for raw in events if (event := _readable(EventRecord, raw)) is not None),
        is_muted=bool(muted),
    )


def _readable(kind: type[Kept], raw: bytes | str) -> Kept | None:
    """Something remembered, or None if another version wrote it and this one cannot read it."""
    try:
        return kind.read(raw)
    except ValidationError:
        return None


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _language(value: str | None) -> Language | None:
    return cast(Language, value) if value in ("en", "zh") else None


def _owner(value: str | None) -> Owner:
    return "person" if value == "person" else "bot"
