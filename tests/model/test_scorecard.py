"""Right answers are counted as right, and a broken file is refused with its line."""

from pathlib import Path

import pytest

from model.assistant import Assistant
from model.scorecard import Expected, QuestionsError, read_questions, score
from model.shop import Shop
from model.speaking import NoVoice
from model.types import Answer, Question

QUESTIONS = Path(__file__).parent.parent / "data" / "support_questions.jsonl"


def expected(
    kind: str = "answer", source: str | None = "a", contains: tuple[str, ...] = ("2–4",)
) -> Expected:
    return Expected(Question("?", "en", 1), kind, "delivery_time", source, contains, ("9 EUR",), "")


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        (Answer("answer", "It takes 2–4 days.", source_id="a"), True),
        (Answer("passage", "It takes 2–4 days.", source_id="a"), True),
        (Answer("answer", "It takes 2–4 days.", source_id="b"), False),
        (Answer("answer", "It takes long.", source_id="a"), False),
        (Answer("answer", "It takes 2–4 days and 9 EUR.", source_id="a"), False),
        (Answer("unknown", "2–4", source_id="a"), False),
    ],
)
def test_what_is_right(answer: Answer, right: bool) -> None:
    assert expected().is_right(answer) is right


def test_the_passages_alone_answer_a_third_of_the_hand_written_questions() -> None:
    result = score(Assistant(Shop.load(), NoVoice()), read_questions(QUESTIONS))
    assert result["questions"] == 500 and result["right"] > 0.3
    assert result["groups"]["en unknown"]["right"] > 0.8


@pytest.mark.parametrize("line", ["{", "{}", '{"text": 1, "language": "fr", "expect": {}}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "q.jsonl").write_text(line)
    with pytest.raises(QuestionsError, match="line 1"):
        read_questions(tmp_path / "q.jsonl")
