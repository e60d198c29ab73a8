"""The hand-written test set agrees with the demo shop and shares no question with the training phrasings."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from model.check import unsupported
from model.data.asks import shipped_asks
from model.data.en_topics import EN
from model.data.grammar import Grammar
from model.data.topic import Script
from model.data.zh_topics import ZH
from model.prompt import QUESTION_TYPES, SMALL_TALK_TYPES
from model.shop import Shop

DATA = Path(__file__).parents[1] / "data"


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]


QUESTIONS = read("support_questions.jsonl")
BLIND = read("support_questions_blind.jsonl")
FOLLOW_UPS = read("follow_ups.jsonl")


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.load()


def source_text(shop: Shop, question: dict[str, Any]) -> str:
    """What the expected source says, as the assistant reads it."""
    language, source = question["language"], question["expect"]["source"]
    kind, _, name = source.partition(":")
    if kind == "order":
        order = shop.order(name, question["customer_id"])
        assert order, f"{question['id']}: {name} is not an order of this customer"
        return f"{name} {shop.order_record_text(order, language)}"
    if kind == "product":
        product = shop.product(name)
        assert product, question["id"]
        record = shop.product_record_text(product, language)
        return f"{product.title(language)} {record} {product.description(language)}"
    passages = [p for p in shop.passages if p.id == source and p.language == language]
    assert passages, f"{question['id']}: no passage {source}"
    return f"{passages[0].title} {passages[0].text}"


def test_set_is_large_and_covers_all_types_in_both_languages() -> None:
    for language in ("en", "zh"):
        rows = [question for question in QUESTIONS if question["language"] == language]
        assert len(rows) >= 150
        assert {question["expect"]["type"] for question in rows} == set(QUESTION_TYPES)
        kinds = Counter(question["expect"]["kind"] for question in rows)
        assert kinds["unknown"] >= 15 and kinds["handover"] >= 4 and kinds["clarify"] >= 4
    assert max(Counter(question["text"].casefold() for question in QUESTIONS).values()) == 1
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)


def test_the_blind_set_is_new_and_a_quarter_of_it_is_for_a_person() -> None:
    known = {question["text"].casefold() for question in QUESTIONS}
    for language in ("en", "zh"):
        rows = [question for question in BLIND if question["language"] == language]
        for_a_person = [q for q in rows if q["expect"]["kind"] in ("unknown", "handover")]
        assert len(rows) >= 75 and len(for_a_person) >= len(rows) // 5
    assert not known & {question["text"].casefold() for question in BLIND}
    assert len({question["id"] for question in BLIND}) == len(BLIND)


@pytest.mark.parametrize("question", [*QUESTIONS, *BLIND, *FOLLOW_UPS], ids=lambda question: question["id"])
def test_expected_values_stand_in_the_expected_source(question: dict[str, Any], shop: Shop) -> None:
    expect = question["expect"]
    assert (expect["kind"] == "answer") or expect["source"] is None
    if expect["source"]:
        text = source_text(shop, question)
        assert [value for value in expect["contains"] if value not in text] == []
        assert unsupported(" ".join(expect["contains"]), [text]) == []
        assert not any(value in text for value in expect.get("absent", ()))
    else:
        assert not expect["contains"] or question["wording"] == "two-part"


@pytest.mark.parametrize("script", [EN, ZH], ids=["en", "zh"])
def test_no_question_is_a_training_phrasing(script: Script, shop: Shop) -> None:
    grammar = Grammar(script.lists)
    patterns = [
        pattern
        for topic in script.topics
        for family in topic.families
        for pattern in family.patterns
        if not family.held_out and topic.name not in SMALL_TALK_TYPES
    ]
    passages = [passage for topic in script.topics for passage in topic.passages]
    patterns += [ask for passage in passages for ask in passage.asks]
    patterns += [ask for passage in passages for sentence in passage.sentences for ask in sentence.asks]
    trained = re.compile("|".join(grammar.regex(pattern).pattern for pattern in patterns), re.IGNORECASE)
    titles = "|".join(re.escape(product.title(script.language)) for product in shop.products)
    for question in QUESTIONS:
        if question["language"] == script.language and question["wording"] == "free":
            text = re.sub(r"[.?!。？！～]+$", "", question["text"])
            text = re.sub(r"KF-\d+", "{order}", re.sub(titles, "{product}", text, flags=re.I), flags=re.I)
            assert not trained.fullmatch(text), question["text"]


@pytest.mark.parametrize("script", [EN, ZH], ids=["en", "zh"])
def test_no_blind_question_is_made_by_a_pattern_that_the_router_learns(script: Script, shop: Shop) -> None:
    grammar = Grammar(script.lists)
    value = r"[\\w .,:€%-]{1,20}?"
    made = [
        re.compile(re.sub(r"\\\{[a-z]+\d?\\\}", value, grammar.regex(pattern).pattern), re.IGNORECASE)
        for asks in shipped_asks(script.language).values()
        for pattern in (*asks.patterns, *asks.held_out)
    ]
    titles = "|".join(re.escape(product.title(script.language)) for product in shop.products)
    for question in BLIND:
        if question["language"] == script.language:
            text = re.sub(r"[.?!。？！～]+$", "", question["text"])
            text = re.sub(r"KF-\d+", "KF1", re.sub(titles, "product", text, flags=re.I), flags=re.I)
            assert not any(pattern.fullmatch(text) for pattern in made), question["text"]
