"""Made-up questions by the hundred: new ones of the shop's own, counted honestly."""

import pytest

from model.assistant import Assistant
from model.many_questions import count_unsupported, make_questions
from model.scorecard import ask_all
from model.shop import Shop
from model.speaking import NoVoice
from model.support_report import unsupported_in
from model.types import Answer


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop.load()


def test_questions_are_the_shops_own_in_both_languages_and_the_same_for_a_seed(shop: Shop) -> None:
    made = make_questions(shop, 200)
    assert made == make_questions(shop, 200) != make_questions(shop, 200, seed=2)
    texts = [expected.question.text for expected in made]
    assert sum(expected.question.language == "zh" for expected in made) == 100
    assert len(set(texts)) > 190 and not any("{" in text for text in texts)
    assert any(title in text for text in texts for product in shop.products for title in product.titles())
    assert {expected.question.customer_id for expected in made} - set(shop.customers) == {-1}


def test_answers_by_code_alone_state_nothing_without_a_source(shop: Shop) -> None:
    assistant = Assistant(shop, NoVoice())
    questions = make_questions(shop, 30, seed=3)
    answers, _ = ask_all(assistant, questions)
    slips = [
        unsupported_in(assistant, expected, answer)
        for expected, answer in zip(questions, answers, strict=True)
    ]
    figures = count_unsupported(questions, answers, slips)
    assert figures["answers"] == 30 and sum(figures["kinds"].values()) == 30
    assert figures["unsupported_after_check"] == 0 and figures["examples"] == []


def test_what_is_stated_without_a_source_is_counted_and_shown(shop: Shop) -> None:
    assistant = Assistant(shop, NoVoice())
    questions = make_questions(shop, 2)
    answers = [Answer("answer", "It costs 777.77 EUR.", draft="x", slips=("777.77",)), Answer("unknown", "-")]
    slips = [
        unsupported_in(assistant, expected, answer)
        for expected, answer in zip(questions, answers, strict=True)
    ]
    figures = count_unsupported(questions, answers, slips)
    assert figures["unsupported_after_check"] == figures["unsupported_before_check"] == 1
    assert figures["examples"][0]["answer"] == "It costs 777.77 EUR."
