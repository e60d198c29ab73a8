"""An assistant without a model: it says what the customer said. For tests and for a first look at the queue."""

import asyncio
from collections.abc import Sequence

from model.types import Answer, Language, OnText, Question, SuggestedProduct


class EchoAssistant:
    """Streams the words back, one every `delay` seconds."""

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay
        self.steps = 0

    def figures(self) -> dict[str, float]:
        """Nothing is counted."""
        return {}

    async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
        """The question's own text."""
        words = question.text.split(" ")
        for number in range(1, len(words) + 1):
            await asyncio.sleep(self._delay)
            self.steps += 1
            if on_text:
                on_text(" ".join(words[:number]))
        return Answer("answer", question.text)

    async def suggest(
        self, wish: str, language: Language, customer_id: int, shown: Sequence[str] = (), k: int = 3
    ) -> tuple[SuggestedProduct, ...]:
        """One product with the wish for a name, none for an empty wish."""
        await asyncio.sleep(self._delay)
        self.steps += 1
        return (SuggestedProduct("echo", wish, wish, "1.00 EUR", True),) if wish else ()

    async def close(self) -> None:
        """There is nothing to free."""
