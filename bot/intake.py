"""What a handler knows of an update, and the ways in which it may put its effect into Redis.

Each way is one step with the update's marker, so a handler may run again after any error. Messages, which are most
of it, share their round trips to Redis; the channel's other writes are synchronous and run on one thread. Handlers of
one chat run one after the other, so its order does not depend on which way is faster. Knows no Telegram call.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from bot.texts import Texts, texts_in
from workers.channel import Accepted, Channel
from workers.contracts import Button, CustomerMessage, EventRecord, Language, OutboxEntry, Press, Reply
from workers.trips import Trips

Result = TypeVar("Result")

TEXT_LIMIT = 4096
"""Characters of a message that are taken in; Telegram's own limit for what a customer can send."""


@dataclass(frozen=True)
class Incoming:
    """One update of one chat: who, where, and in which language to speak."""

    update_id: int
    chat_id: int
    user_id: int
    language: Language
    message_id: int | None = None

    @property
    def is_private(self) -> bool:
        """Whether the chat is one person's."""
        return self.chat_id > 0

    @property
    def texts(self) -> Texts:
        """The bot's sentences in the customer's language."""
        return texts_in(self.language)

    def message(
        self, kind: Literal["text", "suggest"], text: str, press: Press = "", product_id: str = ""
    ) -> CustomerMessage:
        """The record that waits in the inbox."""
        return CustomerMessage(
            id=f"m{self.update_id}",
            chat_id=self.chat_id,
            user_id=self.user_id,
            message_id=self.message_id,
            kind=kind,
            text=text,
            language=self.language,
            accepted_at=time.time(),
            press=press,
            product_id=product_id,
        )

    def notice(self, text: str, buttons: Sequence[Sequence[Button]] = ()) -> OutboxEntry:
        """A reply of the bot itself."""
        rows = tuple(tuple(row) for row in buttons)
        reply = Reply(kind="notice", language=self.language, text=text, buttons=rows)
        return OutboxEntry(id=f"n{self.update_id}", chat_id=self.chat_id, reply=reply, created_at=time.time())


class Intake:
    """The bot's writes, for handlers. `on_accepted` hears of each chat whose message was taken in."""

    def __init__(
        self, channel: Channel, trips: Trips, on_accepted: Callable[[int], None] = lambda chat_id: None
    ) -> None:
        self._channel = channel
        self._trips = trips
        self._on_accepted = on_accepted
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")

    async def ask(
        self,
        incoming: Incoming,
        kind: Literal["text", "suggest"],
        text: str,
        *,
        press: Press = "",
        product_id: str = "",
        event: EventRecord | None = None,
    ) -> None:
        """Take a customer's message in, or say why not, with the real figures: too long, too many, the queue is full.

        `press` and `product_id`: the button that it came from; `event`: what it says about the customer's taste.
        """
        if len(text) > TEXT_LIMIT:
            await self.say(incoming, incoming.texts.too_long.format(length=len(text), limit=TEXT_LIMIT))
            return
        message = incoming.message(kind, text, press, product_id)
        accepted = await self._trips.make(self._channel.acceptance(incoming.update_id, message, event))
        if accepted is Accepted.FULL:
            waiting = await self._write(self._channel.waiting)
            notice = incoming.notice(incoming.texts.queue_full.format(waiting=waiting))
            await self._write(lambda: self._channel.turn_away(incoming.update_id, notice))
        elif accepted is Accepted.TOO_MANY:
            notice = incoming.notice(incoming.texts.too_many)
            await self._write(lambda: self._channel.turn_away(incoming.update_id, notice, "too_many"))
        elif accepted is Accepted.ACCEPTED:
            self._on_accepted(incoming.chat_id)

    async def say(
        self,
        incoming: Incoming,
        text: str,
        buttons: Sequence[Sequence[Button]] = (),
        *,
        language: Language | None = None,
        event: EventRecord | None = None,
    ) -> None:
        """Answer an update with a sentence of the bot's own; `language` and `event` are remembered for the chat."""
        entry = incoming.notice(text, buttons)
        await self._write(
            lambda: self._channel.respond(incoming.update_id, [entry], language=language, event=event)
        )

    async def note(self, incoming: Incoming, event: EventRecord) -> None:
        """Remember what a customer did, without a reply."""
        await self._write(lambda: self._channel.note(incoming.update_id, incoming.chat_id, event))

    async def reset(self, incoming: Incoming, text: str) -> None:
        """Start the conversation afresh and confirm it with `text`."""
        entry = incoming.notice(text)
        await self._write(lambda: self._channel.reset(incoming.update_id, incoming.chat_id, entry))

    async def forget(self, incoming: Incoming, text: str) -> None:
        """Delete all that is known of the chat and confirm it with `text`."""
        entry = incoming.notice(text)
        await self._write(lambda: self._channel.forget(incoming.update_id, incoming.chat_id, entry))

    async def do(self, step: Callable[[], Result]) -> Result:
        """Have the thread do another step that has its effect once per update."""
        return await self._write(step)

    def close(self) -> None:
        """End the thread after what it does just now."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _write(self, step: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, step)
