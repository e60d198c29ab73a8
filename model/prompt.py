"""The one format in which the built-in voice is trained and asked.

    <en> <t:TOPIC> <kN> title : text with slots  …more facts…  <user> question <bot> | <t:TYPE> <kN> answer <eos>

Facts stand in front, each with its topic, a random key and its text. What stands after the bar is generated:
the question type under a constraint to the types, the key under a constraint to the keys given (or `<none>`),
then the answer, in which slots are the only digits. Earlier exchanges are repeated before the last question in
the same form. Records (an order, a product) are facts whose text is `name value ; name value`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from model.slots import SLOT_COUNT
from model.types import Language

KEY_COUNT = 8
"""Facts in one prompt at most."""

QUESTION_TYPES = (
    # delivery
    "delivery_time", "delivery_cost", "delivery_express", "delivery_abroad", "delivery_tracking", "store_pickup",
    # orders: answered from the customer's order record
    "order_status", "order_cancel", "order_change", "order_contents", "order_total", "order_invoice",
    # after the purchase
    "return_policy", "return_how", "refund_time", "exchange", "damaged_item", "missing_item", "warranty", "repair",
    # paying
    "payment_methods", "payment_failed", "installments", "discount_code", "gift_card", "price_match",
    # account and service
    "account_create", "account_delete", "password_reset", "newsletter", "loyalty_points", "privacy",
    "opening_hours", "store_address", "contact", "complaint", "human",
    # buying
    "gift_wrap", "size_guide", "product_care", "sustainability", "wholesale", "jobs", "product_price",
    "product_stock", "product_info", "suggest",
    # talk
    "greeting", "thanks", "goodbye", "about_bot", "other",
)  # fmt: skip
"""The label set that ships. A fact's topic comes from the same set; `other` is what belongs to none of them."""

ORDER_TYPES = frozenset(
    {"order_status", "order_cancel", "order_change", "order_contents", "order_total", "order_invoice"}
)
PRODUCT_TYPES = frozenset({"product_price", "product_stock", "product_info"})
SMALL_TALK_TYPES = frozenset({"greeting", "thanks", "goodbye", "about_bot"})

PAD, EOS, USER, BOT, NONE = "<pad>", "<eos>", "<user>", "<bot>", "<none>"
LANGUAGES: dict[Language, str] = {"en": "<en>", "zh": "<zh>"}
TYPE_TOKENS = tuple(f"<t:{name}>" for name in QUESTION_TYPES)
KEY_TOKENS = tuple(f"<k{number}>" for number in range(KEY_COUNT))
SLOT_TOKENS = tuple(f"<v{number}>" for number in range(SLOT_COUNT))
SPECIAL_TOKENS = (PAD, EOS, USER, BOT, NONE, *LANGUAGES.values(), *TYPE_TOKENS, *KEY_TOKENS, *SLOT_TOKENS)
"""In the order of their ids, from 0."""


@dataclass(frozen=True)
class Fact:
    """One passage or record as the model sees it. `text` already has slots instead of values."""

    topic: str
    title: str
    text: str


@dataclass(frozen=True)
class Exchange:
    """One question with its answer. `key` is the index of the fact that it rests on; the answer has slots."""

    question: str
    question_type: str = ""
    key: int | None = None
    answer: str = ""


def render_facts(language: Language, facts: Sequence[Fact], keys: Sequence[int]) -> str:
    """The head of a prompt; fact i is called `<k{keys[i]}>`."""
    head = [LANGUAGES[language]]
    head += [
        f"<t:{fact.topic}><k{key}>{fact.title}: {fact.text}" for fact, key in zip(facts, keys, strict=True)
    ]
    return "".join(head)


def render_question(question: str) -> str:
    """One question, up to where the model takes over."""
    return f"{USER}{question}{BOT}"


def render_answer(exchange: Exchange, keys: Sequence[int]) -> str:
    """What the model is to write after a question."""
    key = NONE if exchange.key is None else f"<k{keys[exchange.key]}>"
    return f"<t:{exchange.question_type}>{key}{exchange.answer}{EOS}"


def render_prompt(
    language: Language,
    facts: Sequence[Fact],
    keys: Sequence[int],
    history: Sequence[Exchange],
    question: str,
) -> str:
    """The whole prompt, ready for the tokenizer. Free text must come through `plain` first."""
    parts = [render_facts(language, facts, keys)]
    for exchange in history:
        parts += [render_question(exchange.question), render_answer(exchange, keys)]
    parts.append(render_question(question))
    return "".join(parts)


def plain(text: str) -> str:
    """A customer's or a shop's text in which nothing can pass for a token of the format."""
    return text.replace("<", "‹").replace(">", "›")
