"""How customers ask for a passage: the files of patterns, and what is made of them."""

from pathlib import Path

import pytest

from model.data.asks import AsksError, read_asks, shipped_asks, type_of
from model.data.corpus import Corpus
from model.data.questions import labels_of, made_up_questions
from model.prompt import QUESTION_TYPES
from model.types import Language


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_type_has_patterns_to_train_on_and_some_set_aside(language: Language) -> None:
    asks = shipped_asks(language)
    assert {type_of(label) for label in asks} == set(QUESTION_TYPES)
    assert all(len(some.patterns) >= 4 and some.held_out for some in asks.values())


def test_both_languages_know_the_same_aspects() -> None:
    assert set(shipped_asks("en")) == set(shipped_asks("zh"))


def test_what_is_set_aside_is_never_trained_on() -> None:
    asks = shipped_asks("en")["delivery_time/cutoff"]
    trained = {text for text, _ in made_up_questions(Corpus(), 3, 1, languages=("en",))}
    assert not trained & set(asks.held_out)


def test_labels_are_aspects_where_a_type_has_some_and_a_shops_own_types_come_last(tmp_path: Path) -> None:
    path = tmp_path / "questions_en.txt"
    path.write_text("# allergens\ndoes it (contain|have) nuts\n~ is it safe with an allergy\n", "utf-8")
    own = read_asks(path)
    labels = labels_of(shipped_asks("en"), own)
    assert "delivery_time/cutoff" in labels and "delivery_time" not in labels and "allergens" in labels
    rows = made_up_questions(Corpus(), 2, 1, languages=("en",), own={"en": own})
    assert sum(label == "allergens" for _, label in rows) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [("how long\n", "line 1"), ("# jobs\nare you (hiring\n", "line 2")],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "asks.txt"
    path.write_text(text, "utf-8")
    with pytest.raises(AsksError, match=said):
        read_asks(path)
    with pytest.raises(AsksError, match="cannot be read"):
        read_asks(tmp_path / "none.txt")
