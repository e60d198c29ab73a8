"""An assistant without a model: it says what the customer said. For tests and for a first look at the queue."""

import asyncio
from collections.abc import Sequence

from model.types import Answer, CustomerEvent, FirstSteps, Language, OnText, Question, SuggestedProduct


class EchoAssistant:
    """Streams the words back, one every `delay` seconds."""

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay
        self.steps = 0

    def figures(self) -> dict[str, float]:
        """Nothing is counted."""
        return {}

    def forget(self, chat: str) -> None:
        """Nothing is kept."""

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
        self,
        wish: str,
        language: Language,
        customer_id: int,
        shown: Sequence[tuple[str, float]] = (),
        *,
        events: Sequence[CustomerEvent] = (),
        about: str = "",
        cheaper: bool = False,
    ) -> tuple[SuggestedProduct, ...]:
        """One product with the wish for a name, none for an empty wish."""
        await asyncio.sleep(self._delay)
        self.steps += 1
        return (SuggestedProduct("echo", wish, wish, "1.00 EUR", True),) if wish else ()

    async def why(
        self, product_id: str, language: Language, customer_id: int, events: Sequence[CustomerEvent] = ()
    ) -> str:
        """The product's id and how many events there are."""
        return f"{product_id} {len(events)}"

    async def first_steps(
        self, language: Language, customer_id: int, events: Sequence[CustomerEvent] = ()
    ) -> FirstSteps:
        """Nothing is asked."""
        return FirstSteps()

    @property
    def has_newer_recommender(self) -> bool:
        """There is none."""
        return False

    def renew_recommender(self) -> None:
        """There is nothing to renew."""

    async def close(self) -> None:
        """There is nothing to free."""
