"""The Chinese script: every type has enough phrasings, and no phrasing can be of two types."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from random import Random

import pytest

from model.data.grammar import Grammar
from model.data.topic import Family, Topic
from model.data.values import make_value
from model.data.zh_topics import ZH
from model.prompt import QUESTION_TYPES, SMALL_TALK_TYPES

GRAMMAR = Grammar(ZH.lists)
WITHOUT_PASSAGES = SMALL_TALK_TYPES | {
    "human", "suggest", "other", "order_contents", "order_total", "product_price", "product_stock", "product_info",
}  # fmt: skip
RECORD_FIELDS = {"order", "product", "left", *ZH.order_fields, *ZH.product_fields}
TRADITIONAL = frozenset("運費貨單個嗎這們會發訂裡買賣錢門開關還請問謝對號話時間東點樣達")


@cache
def phrasings(family: Family) -> frozenset[str]:
    """Up to 400 expansions of each pattern of a family, all of them where there are no more."""
    return frozenset(text for pattern in family.patterns for text in _expansions(pattern))


def _expansions(pattern: str) -> Iterator[str]:
    if GRAMMAR.count(pattern) <= 400:
        return GRAMMAR.expand(pattern)
    rng = Random(pattern)
    return (GRAMMAR.sample(pattern, rng) for _ in range(400))


def questions(topic: Topic) -> set[str]:
    return set().union(*(phrasings(family) for family in topic.families))


def shop_texts(topic: Topic) -> list[str]:
    """All that a shop says about a topic, as patterns."""
    sentences = [sentence.text for passage in topic.passages for sentence in passage.sentences]
    return [*sentences, *(title for passage in topic.passages for title in passage.titles), *topic.replies]


@pytest.mark.parametrize("name", QUESTION_TYPES)
def test_type_has_many_phrasings_and_a_family_set_aside(name: str) -> None:
    topic = ZH.topic(name)
    assert len(questions(topic)) >= 80
    assert 2 <= sum(not family.held_out for family in topic.families)
    assert sum(family.held_out for family in topic.families) == 1
    assert name in WITHOUT_PASSAGES or len(topic.passages) >= 1


@pytest.mark.parametrize("name", QUESTION_TYPES)
def test_family_set_aside_shares_no_phrasing_with_trained_ones(name: str) -> None:
    topic = ZH.topic(name)
    trained = set().union(*(phrasings(family) for family in topic.families if not family.held_out))
    held_out = set().union(*(phrasings(family) for family in topic.families if family.held_out))
    assert len(held_out) >= 15
    assert not trained & held_out


def test_no_phrasing_belongs_to_two_types() -> None:
    owner: dict[str, str] = {}
    for topic in ZH.topics:
        for text in questions(topic):
            assert owner.setdefault(text, topic.name) == topic.name, text


def test_question_about_one_sentence_is_no_main_question() -> None:
    """Else it would be answered with sentences that do not answer it."""
    for topic in ZH.topics:
        main = questions(topic)
        for passage in topic.passages:
            for pattern in (*passage.asks, *(ask for part in passage.sentences for ask in part.asks)):
                assert not main.intersection(islice(GRAMMAR.expand(pattern), 2000)), (topic.name, pattern)


def test_values_are_placeholders_everywhere() -> None:
    replies = [reply.text for reply in (*ZH.order_replies, *ZH.product_replies)]
    for text in (*replies, *ZH.abouts, *ZH.unknown, *(t for topic in ZH.topics for t in shop_texts(topic))):
        assert not re.search(r"\d", re.sub(r"\{\w+\}", "", text)), text


def test_placeholders_are_known() -> None:
    for topic in ZH.topics:
        patterns = [pattern for family in topic.families for pattern in family.patterns]
        for name in re.findall(r"\{(\w+)\}", "".join((*patterns, *shop_texts(topic)))):
            assert make_value(name, "zh", Random(1))
    for reply in (*ZH.order_replies, *ZH.product_replies):
        assert set(re.findall(r"\{(\w+)\}", reply.text)) <= RECORD_FIELDS


def test_shop_writes_simplified_characters() -> None:
    for topic in ZH.topics:
        for text in shop_texts(topic):
            assert not TRADITIONAL.intersection(text), text


def test_some_customers_write_traditional_characters() -> None:
    assert sum(bool(TRADITIONAL.intersection(text)) for topic in ZH.topics for text in questions(topic)) >= 50


def test_every_state_of_an_order_has_a_reply() -> None:
    for name in ("order_status", "order_cancel", "order_change", "order_invoice"):
        answered = {state for reply in ZH.order_replies if reply.name == name for state in reply.states}
        assert answered == set(ZH.order_states)
    for name in ("order_contents", "order_total"):
        assert any(reply.name == name and not reply.states for reply in ZH.order_replies)
