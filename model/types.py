"""What goes in and out of the assistant: plain records that the packages above translate to and from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Language = Literal["en", "zh"]

OnText = Callable[[str], None]
"""Called with the whole text so far whenever it has grown; must not block."""


@dataclass(frozen=True)
class PastTurn:
    """One earlier exchange, oldest first in a history."""

    customer: str
    reply: str
    question_type: str = ""
    source_id: str = ""


@dataclass(frozen=True)
class CustomerEvent:
    """Something a customer did with a product: view, like, more, cheaper, dislike, less, buy. `at` in seconds.

    With the action "category" the id is a category's: the customer is interested in it.
    """

    product_id: str
    action: str
    at: float


@dataclass(frozen=True)
class Question:
    """What a customer asks. `customer_id` is the one the front end vouches for: only their orders are looked up."""

    text: str
    language: Language
    customer_id: int
    history: tuple[PastTurn, ...] = ()
    chat: str = ""
    """Which conversation it belongs to: what was computed for one is never used for another. Empty: none."""
    events: tuple[CustomerEvent, ...] = ()
    shown: tuple[tuple[str, float], ...] = ()
    """Products shown in this chat and when, for a question that asks for suggestions."""


@dataclass(frozen=True)
class SuggestedProduct:
    product_id: str
    title: str
    description: str
    price: str
    in_stock: bool
    reason: str = ""
    category: str = ""


@dataclass(frozen=True)
class FirstSteps:
    """What a newcomer is asked: categories (id, name) to choose from, or products to judge. Empty: nothing."""

    categories: tuple[tuple[str, str], ...] = ()
    products: tuple[SuggestedProduct, ...] = ()


@dataclass(frozen=True)
class Answer:
    """An answer whose every number, price, date, id and link stands in its sources.

    kind:  "answer"    written by the model from one fact or record
           "passage"   the source passage itself (the floor)
           "smalltalk" a fixed courtesy, no facts
           "clarify"   code asks back, e.g. which order
           "unknown"   nothing found: the customer is told so and offered a person
           "handover"  the customer asked for a person
    """

    kind: Literal["answer", "passage", "smalltalk", "clarify", "unknown", "handover"]
    text: str
    question_type: str = ""
    confidence: float = 0.0
    source_id: str = ""
    source_title: str = ""
    products: tuple[SuggestedProduct, ...] = field(default=())
    draft: str = ""
    """What the model wrote before the check, for measuring."""
    slips: tuple[str, ...] = ()
    """Values that the draft states without a source, for measuring."""
