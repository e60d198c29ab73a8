"""The Chinese script: every type has enough phrasings, and no phrasing can be of two types."""

import re
from collections.abc import Iterator
from functools import cache
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
    """Up to 200 expansions of each pattern of a family, all of them where there are no more."""
    return frozenset(text for pattern in family.patterns for text in _expansions(pattern))


def _expansions(pattern: str) -> Iterator[str]:
    if GRAMMAR.count(pattern) <= 200:
        return GRAMMAR.expand(pattern)
    rng = Random(pattern)
    return (GRAMMAR.sample(pattern, rng) for _ in range(200))


@cache
def matcher(*patterns: str) -> re.Pattern[str]:
    """Matches every expansion of the patterns, not only those that were drawn."""
    return re.compile("|".join(GRAMMAR.regex(pattern).pattern for pattern in patterns))


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
    families = ZH.topic(name).families
    held_out = [family for family in families if family.held_out]
    trained = matcher(*(pattern for family in families if not family.held_out for pattern in family.patterns))
    texts = [text for family in held_out for text in phrasings(family)]
    assert len(texts) >= 15
    assert not [text for text in texts if trained.fullmatch(text)]


@pytest.mark.parametrize("name", QUESTION_TYPES)
def test_no_phrasing_belongs_to_another_type(name: str) -> None:
    texts = questions(ZH.topic(name))
    for other in ZH.topics:
        if other.name != name:
            theirs = matcher(*(pattern for family in other.families for pattern in family.patterns))
            assert not [text for text in texts if theirs.fullmatch(text)], other.name


@pytest.mark.parametrize("name", QUESTION_TYPES)
def test_question_about_one_sentence_is_no_main_question(name: str) -> None:
    """Else it would be answered with sentences that do not answer it."""
    topic = ZH.topic(name)
    asks = [ask for passage in topic.passages for ask in passage.asks]
    asks += [ask for passage in topic.passages for sentence in passage.sentences for ask in sentence.asks]
    if asks:
        assert not [text for text in questions(topic) if matcher(*asks).fullmatch(text)]


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
