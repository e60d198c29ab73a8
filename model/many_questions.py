"""Thousands of made-up questions to a shop, to count what its answers state that nothing supports.

Questions are made by the same patterns as in training, those set aside too, with the shop's own products, customers
and orders in them, orders of other customers as well, and two of them in one message now and then. Whether an answer is
good is not asked here, only whether every value in it stands in something that this customer may see.
"""

from collections.abc import Sequence
from random import Random
from typing import Any

from model.data.asks import shipped_asks
from model.data.corpus import Corpus
from model.data.dialogues import DialogueMaker
from model.data.en_topics import EN
from model.data.zh_topics import ZH
from model.scorecard import Expected
from model.shop import Shop
from model.types import Answer, Question

_STRANGER = -1
_EXAMPLES = 10


def make_questions(shop: Shop, count: int, seed: int = 1) -> list[Expected]:
    """`count` questions of the shop's customers and of strangers, half of them Chinese. Nothing is expected of the answers."""
    rng = Random(seed)
    makers = {script.language: DialogueMaker(script, Corpus()) for script in (EN, ZH)}
    patterns = {
        language: [
            pattern
            for asks in shipped_asks(language).values()
            for pattern in (*asks.patterns, *asks.held_out)
        ]
        for language in makers
    }
    customers = [*shop.customers, _STRANGER]
    orders = [order.id for customer in shop.customers for order in shop.orders_of(customer)]
    made = []
    for number in range(count):
        language = "en" if number % 2 else "zh"
        maker, customer = makers[language], rng.choice(customers)
        own = [order.id for order in shop.orders_of(customer)]
        parts = []
        for _ in range(2 if rng.random() < 0.1 else 1):
            values = {}
            if shop.products and rng.random() < 0.8:
                values["product"] = rng.choice(shop.products).title(language)
            if orders and rng.random() < 0.8:
                values["order"] = rng.choice(own if own and rng.random() < 0.7 else orders)
            parts.append(maker.worded(rng.choice(patterns[language]), rng, rng.random() < 0.5, values))
        text = ("？" if language == "zh" else "? ").join(parts)
        made.append(Expected(Question(text, language, customer), "answer", "", None, (), (), ""))
    return made


def count_unsupported(
    questions: Sequence[Expected], answers: Sequence[Answer], unsupported: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """How many answers the voice wrote, how many of them stated what their source does not, how many still do.

    unsupported: what each answer as it was sent states without support.
    """
    drafts = [answer for answer in answers if answer.draft]
    wrong = [
        {"question": expected.question.text, "answer": answer.text, "values": list(values)}
        for expected, answer, values in zip(questions, answers, unsupported, strict=True)
        if values
    ]
    kinds: dict[str, int] = {}
    for answer in answers:
        kinds[answer.kind] = kinds.get(answer.kind, 0) + 1
    return {
        "answers": len(answers),
        "kinds": dict(sorted(kinds.items())),
        "written": len(drafts),
        "unsupported_before_check": sum(bool(answer.slips) for answer in drafts),
        "replaced_by_check": sum(answer.kind == "passage" for answer in drafts),
        "unsupported_after_check": len(wrong),
        "examples": wrong[:_EXAMPLES],
    }
