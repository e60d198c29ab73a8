"""Customers of a chaos run: they number what they write, and remember nothing but what their chats show."""

import asyncio
import random
import time
from collections import Counter

from bot.bench.checker import Conversation, Event, Vocabulary, name_of, read_conversation
from bot.sandbox.errors import Json
from bot.sandbox.telegram import Telegram, User
from bot.texts import LANGUAGE_NAMES, texts_in
from workers.texts import APOLOGY, NO_SUGGESTIONS, SUGGESTIONS

_FIRST_CHAT = 1000
_WISHES = 0.1
"""Share of messages that ask for a suggestion: its reply has two parts, with markup and buttons."""

_PRICE = " EUR · "
_QUESTIONS = (
    "How long does delivery take?",
    "How can I pay?",
    "Can I return an opened item?",
    "我的订单到哪儿了？",
)


class Customers:
    """Everybody who writes in one run.

    echoes: replies repeat the numbers, so nobody waits for one before writing more. A model's replies do not tell
            what they answer; there each customer waits for a reply.
    """

    def __init__(self, telegram: Telegram, count: int, seed: int, *, echoes: bool) -> None:
        self.updates: list[int] = []
        self.update_of: dict[tuple[int, int], int] = {}
        self._telegram = telegram
        self._chance = random.Random(f"customers {seed}")
        self._users = [User(_FIRST_CHAT + number, f"Customer {number}") for number in range(count)]
        self._vocabulary = _vocabulary()
        self._echoes = echoes
        self._written: Counter[int] = Counter()

    async def write(self, messages: int, rate: float) -> None:
        """Send so many messages, about `rate` a second in all."""
        for user in self._users:
            self._telegram.add_user(user)
        started, at = time.monotonic(), 0.0
        for _ in range(messages):
            at += self._chance.expovariate(rate)
            await asyncio.sleep(max(0.0, started + at - time.monotonic()))
            self._write(self._chance.choice(await self._free()))

    def conversations(self) -> list[Conversation]:
        """What has become of every message so far."""
        return [
            read_conversation(user.id, self.messages(user.id), self._vocabulary, echoes=self._echoes)
            for user in self._users
        ]

    def messages(self, chat: int) -> list[Event]:
        """What a chat shows."""
        return [
            Event(event["at"], event["from"] == "user", _words(event))
            for event in self._telegram.transcript.after(chat, 0)
            if event["type"] == "message"
        ]

    async def _free(self) -> list[User]:
        """Those who may write now; waits until there is one."""
        while True:
            if free := [user for user in self._users if self._echoes or not self._waits(user)]:
                return free
            await asyncio.sleep(0.1)

    def _write(self, user: User) -> None:
        number = self._written[user.id]
        self._written[user.id] += 1
        name = name_of(user.id, number)
        if not self._echoes:
            text = f"{self._chance.choice(_QUESTIONS)} {name}"
        else:
            text = f"/suggest {name}" if self._chance.random() < _WISHES else f"{name} where is it"
        ((_, update_id),) = self._telegram.write(user, self._telegram.chats[user.id], text)
        assert update_id is not None
        self.updates.append(update_id)
        self.update_of[user.id, number] = update_id

    def _waits(self, user: User) -> bool:
        messages = self.messages(user.id)
        return bool(messages) and messages[-1].is_customers


def _words(message: Json) -> str:
    """A message's text; of a product's card only what is under the price: the echo says a wish above it too."""
    text: str = message["text"]
    return text.partition(_PRICE)[2] or text


def _vocabulary() -> Vocabulary:
    excuses, asides = [], []
    for language in LANGUAGE_NAMES:
        texts = texts_in(language)
        excuses += [APOLOGY[language], texts.trouble, texts.queue_full.partition("{")[0]]
        asides += [SUGGESTIONS[language], NO_SUGGESTIONS[language]]
    return Vocabulary(tuple(excuses), tuple(asides))
