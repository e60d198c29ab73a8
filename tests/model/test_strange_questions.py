"""The shipped voice and messages that no customer should write: each is answered, and none holds up the others."""

import asyncio
import time

import pytest

from model.assistant import Assistant
from model.check import unsupported
from model.types import Question


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return Assistant.load()


@pytest.mark.parametrize(
    "text", ["😀" * 4096, "\u200d" * 4096, "\u202eمرحبا" * 600, "ก" * 4096, "a\0b", "<v3>"]
)
def test_a_question_that_takes_many_tokens_is_answered(assistant: Assistant, text: str) -> None:
    assert asyncio.run(assistant.answer(Question(text, "en", 1))).text


@pytest.mark.parametrize("text", ["eeee", "E" * 50, "yeye", "Eyyy!"])
def test_a_question_whose_words_have_no_stem_is_answered(assistant: Assistant, text: str) -> None:
    """Nothing was left of such words, and the search raised: the customer got an apology."""
    assert asyncio.run(assistant.answer(Question(text, "en", 1))).text
    asyncio.run(assistant.suggest(text, "en", 1))


def test_a_flood_of_text_does_not_hold_up_the_engine(assistant: Assistant) -> None:
    burst = "\n".join(["一" * 4096] * 20)
    begun = time.process_time()
    asyncio.run(assistant.answer(Question(burst, "zh", 1)))
    asyncio.run(assistant.suggest(burst, "zh", 1))
    assert time.process_time() - begun < 2


def test_the_check_takes_time_in_proportion_to_its_text() -> None:
    begun = time.process_time()
    assert unsupported("三天", ["一" * 80_000]) == ["3"]
    assert time.process_time() - begun < 2
