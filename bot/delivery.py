"""Brings replies from the outbox to Telegram: one leader, each chat in order, no chat waiting for another.

What Telegram's response, or its absence, means for a reply is decided in `judge`. The states between new and sent
live in Redis (`workers/outbox.py`); this process may be killed at any moment.
"""

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

import aiohttp
from aiogram import Bot
from aiogram.exceptions import (
    AiogramError,
    ClientDecodeError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetMe, SendMessage
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.drafts import Drafts
from bot.limits import Limits
from bot.persistence import until_answered
from bot.render import Part, render_reply
from bot.told import Told
from workers.channel import Names
from workers.contracts import Draft
from workers.outbox import Outbox, Outcome, Turn

log = logging.getLogger(__name__)

SEND_SECONDS = 20
"""After this long without a response the outcome of a send is unknown."""
UNKNOWN_REPEATED = "a send's outcome is unknown; it is repeated once Telegram answers"
"""What the log says before a reply is sent again."""
_SWEEP_SECONDS = 2.0
_CLOSE_SECONDS = 8.0
_LONGEST_PAUSE = 15.0
_REASON = re.compile("can't parse entities|[A-Z]+(_[A-Z]+)+")
"""What may be told of a refusal: its other words may be a piece of the message."""

_GONE = ("chat not found", "user is deactivated", "bot was blocked", "bot was kicked", "peer_id_invalid")
_TOKEN_REFUSED = (TelegramUnauthorizedError, TelegramNotFound)


def judge(error: Exception) -> Outcome:
    """What an error of a send says about the message.

    unsent: certainly not delivered and worth another try. refused: never will be. unknown: perhaps delivered.
    """
    match error:
        case TelegramRetryAfter() | TelegramUnauthorizedError() | TelegramNotFound():
            return "unsent"
        case TelegramServerError() | ClientDecodeError():
            return "unknown"
        case TelegramNetworkError() if not isinstance(error, TelegramEntityTooLarge):
            never_connected = isinstance(
                error.__cause__, (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
            )
            return "unsent" if never_connected else "unknown"
        case TelegramAPIError():
            return "refused"
        case _:
            return "unknown"


class Delivery:
    """Sends what waits in the outbox while this process leads. `token_refused` is set if Telegram does not know us.

    `on_reply` hears of each chat to which something is about to be sent.
    """

    def __init__(
        self,
        bot: Bot,
        redis: Redis,
        names: Names,
        outbox: Outbox,
        drafts: Drafts,
        limits: Limits,
        on_reply: Callable[[int], None] = lambda chat_id: None,
    ) -> None:
        self._bot = bot
        self._redis = redis
        self._names = names
        self._outbox = outbox
        self._drafts = drafts
        self._limits = limits
        self._on_reply = on_reply
        self._leads_until = 0.0
        self._closing = False
        self._told = Told()
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._sending: set[int] = set()
        self._again: set[int] = set()
        self._unreachable = 0
        self._paused_until = 0.0
        self._wake = asyncio.Event()
        self.token_refused = asyncio.Event()

    @property
    def is_leader(self) -> bool:
        """Whether this process may send, by its own clock."""
        return not self._closing and asyncio.get_running_loop().time() < self._leads_until

    @property
    def busy(self) -> int:
        """Chats to which something is being sent, or waits for the limits."""
        return len(self._serving)

    def serve(self, chat_id: int) -> None:
        """Send what waits for a chat now; what is not sent is found by the sweep."""
        if self.is_leader:
            self._serve_soon(chat_id)

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_leading())
                group.create_task(self._listen())
                group.create_task(self._sweep())
        finally:
            await self._close()

    async def _keep_leading(self) -> None:
        lease = self._outbox.lease_seconds
        while True:
            asked = asyncio.get_running_loop().time()
            led = self.is_leader
            try:
                leads = await self._outbox.lead()
            except RedisError as error:
                log.warning("cannot renew the delivery's lease", extra={"error": type(error).__name__})
            else:
                # A quarter of the lease is left for the difference of clocks and for the way to Telegram.
                self._leads_until = asked + 0.75 * lease if leads else 0.0
                if leads and not led:
                    log.info("this process delivers")
                    self._wake.set()
            await asyncio.sleep(lease / 4)

    async def _listen(self) -> None:
        """Hear of new replies and drafts at once. What is missed here is found by the sweep, or is a draft."""
        while True:
            try:
                async with self._redis.pubsub() as heard:
                    await heard.subscribe(self._names.outbox_wake, self._names.drafts)
                    while True:
                        event = await heard.get_message(ignore_subscribe_messages=True, timeout=1.0)
                        if event is not None and self.is_leader:
                            self._hear(event["channel"], event["data"])
            except RedisError:
                await asyncio.sleep(1.0)

    def _hear(self, channel: str, data: str) -> None:
        if channel == self._names.outbox_wake:
            self._serve_soon(int(data))
            return
        try:
            self._drafts.show(Draft.read(data))
        except ValidationError:
            log.warning("a draft could not be read")

    async def _sweep(self) -> None:
        while True:
            try:
                if self.is_leader:
                    for chat_id in await self._outbox.chats():
                        self._serve_soon(chat_id)
            except RedisError as error:
                log.warning("cannot look into the outbox", extra={"error": type(error).__name__})
            self._wake.clear()
            # Not wait_for, which before Python 3.12 loses a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await self._wake.wait()

    def _serve_soon(self, chat_id: int) -> None:
        if chat_id in self._serving:
            self._again.add(chat_id)
        else:
            self._serving[chat_id] = asyncio.create_task(self._serve(chat_id))

    async def _serve(self, chat_id: int) -> None:
        """Send everything that waits for one chat."""
        try:
            more = True
            while self.is_leader and more:
                await self._limits.acquire(chat_id)
                self._again.discard(chat_id)
                self._sending.add(chat_id)
                more = await self._deliver_next(chat_id) or chat_id in self._again
                self._sending.discard(chat_id)
        except Exception:
            log.exception("delivery to a chat stopped; the next sweep goes on with it")
        finally:
            self._sending.discard(chat_id)
            self._again.discard(chat_id)
            del self._serving[chat_id]

    async def _deliver_next(self, chat_id: int, probed: bool = False) -> bool:
        """Send the next part of the head of a chat's outbox; whether there is more to send."""
        attempt = secrets.token_hex(8)
        try:
            turn = await until_answered(lambda: self._outbox.begin(chat_id, attempt, probed=probed))
        except ValidationError:
            log.error("a reply could not be read and was dropped")
            alert = _alert("unreadable")
            return await until_answered(
                lambda: self._outbox.settle(chat_id, attempt, "refused", last=True, alert=alert)
            )
        is_told = turn.entry is not None and self._told.knows(turn.entry, turn.part)
        if turn.step == "probe":
            if not is_told:
                log.warning(UNKNOWN_REPEATED, extra=_about(turn))
                await self._probe()
            return await self._deliver_next(chat_id, probed=True)
        if turn.entry is None:
            if turn.step == "fenced":
                self._leads_until = 0.0
            return turn.step == "silenced"
        parts = render_reply(turn.entry.reply, private=chat_id > 0)
        part = parts[turn.part] if turn.part < len(parts) else None
        error: Exception | None = None
        outcome: Outcome = "unsent"
        if turn.step == "spent":
            outcome = "spent"
        elif part is None:
            outcome = "sent" if turn.part else "refused"
        elif is_told:
            log.warning("Redis has forgotten that this was sent; it is not sent again", extra=_about(turn))
            outcome = "sent"
        else:
            self._on_reply(chat_id)
            if turn.entry.draft_id:
                await self._drafts.finish(chat_id, turn.entry.draft_id)
            if self.is_leader:
                error = await self._send(chat_id, part)
                outcome = judge(error) if error else "sent"
                if outcome == "sent":
                    self._told.note(turn.entry, turn.part, last=turn.part + 1 >= len(parts))
        return await self._settle(chat_id, attempt, turn, outcome, error, last=turn.part + 1 >= len(parts))

    async def _send(self, chat_id: int, part: Part) -> Exception | None:
        """Call Telegram; markup that it refuses is left away, once."""
        try:
            try:
                await self._bot(_send_message(chat_id, part), request_timeout=SEND_SECONDS)
            except TelegramBadRequest as refusal:
                if part.is_plain or _is_gone(refusal):
                    raise
                log.warning(
                    "Telegram refused the markup; sent as plain text", extra={"error": _reason_of(refusal)}
                )
                await self._bot(_send_message(chat_id, part.plain()), request_timeout=SEND_SECONDS)
        except Exception as error:
            return error
        return None

    async def _settle(
        self, chat_id: int, attempt: str, turn: Turn, outcome: Outcome, error: Exception | None, *, last: bool
    ) -> bool:
        assert turn.entry is not None
        gone = error is not None and _is_gone(error)
        alert = _alert("unreadable", entry=turn.entry.id) if turn.is_stand_in and outcome == "sent" else None
        if outcome in ("unknown", "spent") or (outcome == "refused" and not gone):
            alert = _alert(outcome, entry=turn.entry.id, error=type(error).__name__ if error else "")
        if outcome != "sent":
            log.warning(
                "a part was not sent",
                extra={**_about(turn), "outcome": outcome, "error": type(error).__name__},
            )
        self._react(chat_id, outcome, error)
        gone_at = time.time() if gone else None
        return await until_answered(
            lambda: self._outbox.settle(chat_id, attempt, outcome, last=last, alert=alert, gone_at=gone_at)
        )

    def _react(self, chat_id: int, outcome: Outcome, error: Exception | None) -> None:
        """Wait as Telegram asks, or as long as it cannot be reached."""
        if isinstance(error, TelegramRetryAfter):
            self._limits.pause(chat_id, error.retry_after)
        elif isinstance(error, _TOKEN_REFUSED):
            self.token_refused.set()
        elif outcome == "unsent" and error is not None:
            self._wait_for_telegram()
        elif outcome == "sent":
            self._unreachable = 0

    def _wait_for_telegram(self) -> None:
        """Pause for everybody. Chats that failed together are one failure: only one after the pause makes it longer."""
        now = asyncio.get_running_loop().time()
        if now < self._paused_until:
            return
        pause = min(2.0**self._unreachable, _LONGEST_PAUSE)
        self._unreachable += 1
        self._paused_until = now + pause
        self._limits.pause_all(pause)

    async def _probe(self) -> None:
        """Wait until Telegram answers a call that changes nothing."""
        pause = 1.0
        while True:
            try:
                await self._bot(GetMe(), request_timeout=SEND_SECONDS)
                return
            except TelegramRetryAfter as error:
                await asyncio.sleep(error.retry_after)
            except _TOKEN_REFUSED:
                self.token_refused.set()
                await asyncio.sleep(_LONGEST_PAUSE)
            except AiogramError as error:
                log.warning("Telegram does not answer the probe", extra={"error": type(error).__name__})
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _close(self) -> None:
        """Begin nothing more, let what is on its way arrive, and give the leadership back."""
        self._closing = True
        for chat_id, task in self._serving.items():
            if chat_id not in self._sending:
                task.cancel()
        serving = list(self._serving.values())
        if serving:
            await asyncio.wait(serving, timeout=_CLOSE_SECONDS)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await self._drafts.close()
        try:
            await self._outbox.release()
        except RedisError:
            log.info("the delivery's lease ends by itself")


class SendUnread(SendMessage):
    """sendMessage of which only the acceptance counts.

    Read as a message, a response that aiogram cannot decode would pass for an unknown outcome, and be sent twice.
    """

    __returning__ = Any  # type: ignore[assignment]


def _send_message(chat_id: int, part: Part) -> SendUnread:
    return SendUnread(  # type: ignore[call-arg]  # aiogram's own initializer is not inherited
        chat_id=chat_id,
        text=part.text,
        entities=list(part.entities) or None,
        reply_markup=part.keyboard,
        link_preview_options=part.preview,
        parse_mode=None,
    )


def _is_gone(error: Exception) -> bool:
    """Whether the customer can no longer be reached by this bot."""
    if isinstance(error, TelegramForbiddenError):
        return True
    # aiogram's message is None if Telegram, or whoever answered in its place, gave no description.
    said = (error.message or "").lower() if isinstance(error, TelegramBadRequest) else ""
    return any(reason in said for reason in _GONE)


def _reason_of(refusal: TelegramBadRequest) -> str:
    reason = _REASON.search((refusal.message or "").partition('"')[0])
    return reason.group() if reason else type(refusal).__name__


def _about(turn: Turn) -> dict[str, object]:
    """What a log line says of a send: which reply, to which messages, and which try it is."""
    entry = turn.entry
    assert entry is not None
    return {"entry": entry.id, "answers": entry.answers, "part": turn.part, "attempt": turn.attempts}


def _alert(kind: str, **details: str) -> dict[str, str | int | float]:
    return {"at": int(time.time()), "kind": kind, **details}
