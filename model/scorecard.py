"""How an assistant does on a file of questions with the answers that are expected of it.

One JSON object a line: {"id", "language", "text", "customer_id"?, "wording"?, "before"?, "expect": {"type", "kind",
"source", "contains", "absent"?}}. `before` are questions that the same customer asked just before. An answer is right
if it is of the expected kind, rests on the expected source, states every value in `contains` and none in `absent`.
A question that is expected to end with a person ("unknown", "handover") is right either way.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model.assistant import Assistant
from model.types import Answer, PastTurn, Question

FOR_A_PERSON = frozenset({"unknown", "handover"})
"""Kinds of answers that give a question to a person."""

_AT_ONCE = 16
_STRANGER = -1
"""A customer without orders, where a question names nobody."""


class QuestionsError(ValueError):
    """A file of questions that cannot be used; the text names the line and what to do."""


@dataclass(frozen=True)
class Expected:
    """One question of the file."""

    question: Question
    kind: str
    type: str
    source: str | None
    contains: tuple[str, ...]
    absent: tuple[str, ...]
    group: str
    before: tuple[str, ...] = ()

    @property
    def is_for_a_person(self) -> bool:
        """Whether the shop's own data cannot answer it."""
        return self.kind in FOR_A_PERSON

    def has_facts(self, answer: Answer) -> bool:
        """Whether an answer states every value that is asked for and none that must not appear."""
        return all(value in answer.text for value in self.contains) and not any(
            value in answer.text for value in self.absent
        )

    def is_right(self, answer: Answer) -> bool:
        """Whether an answer is what was expected. A passage is as good as an answer that was written."""
        kinds = {"answer", "passage"} if self.kind == "answer" else {self.kind}
        if self.is_for_a_person:
            kinds = FOR_A_PERSON
        return answer.kind in kinds and self.source in (None, answer.source_id) and self.has_facts(answer)


def read_questions(path: Path) -> list[Expected]:
    """Read a file. Raises QuestionsError with the first line that cannot be used."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionsError(f"{path} cannot be read ({error}); give a file of JSON lines") from None
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            expect, language = row["expect"], row["language"]
            if language not in ("en", "zh"):
                raise ValueError("language must be en or zh")
            found.append(
                Expected(
                    Question(row["text"], language, row.get("customer_id", _STRANGER)),
                    expect["kind"],
                    expect["type"],
                    expect.get("source"),
                    tuple(expect.get("contains", ())),
                    tuple(expect.get("absent", ())),
                    row.get("wording", ""),
                    tuple(row.get("before", ())),
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise QuestionsError(
                f"{path}, line {number}: {error!r}; see the docstring of model/scorecard.py"
            ) from None
    return found


def ask_all(
    assistant: Assistant, questions: Sequence[Expected], on_answer: Callable[[], None] = lambda: None
) -> tuple[list[Answer], float]:
    """Ask everything, 16 at once: the answers in order, and the seconds that one took."""
    answers: list[Answer] = []

    async def ask(expected: Expected) -> Answer:
        question = expected.question
        for text in expected.before:
            first = replace(question, text=text)
            answer = await assistant.answer(first)
            past = PastTurn(text, answer.text, answer.question_type, answer.source_id)
            question = replace(question, history=(*question.history, past))
        answer = await assistant.answer(question)
        on_answer()
        return answer

    async def ask_them() -> None:
        for start in range(0, len(questions), _AT_ONCE):
            some = questions[start : start + _AT_ONCE]
            answers.extend(await asyncio.gather(*map(ask, some)))

    started = time.monotonic()
    asyncio.run(ask_them())
    return answers, (time.monotonic() - started) / max(len(answers), 1)


def score(
    assistant: Assistant, questions: Sequence[Expected], on_answer: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Ask everything and count. Shares are from 0 to 1, seconds are per answer with 16 at once."""
    answers, seconds = ask_all(assistant, questions, on_answer)
    return count(questions, answers) | {"seconds_per_answer": round(seconds, 4)}


def count(questions: Sequence[Expected], answers: Sequence[Answer]) -> dict[str, Any]:
    """Shares of right answers, from 0 to 1, over all and by language, kind and wording."""
    rows = list(zip(questions, answers, strict=True))
    groups: dict[str, list[tuple[Expected, Answer]]] = defaultdict(list)
    for expected, answer in rows:
        name = f"{expected.question.language} {expected.kind}"
        groups[name].append((expected, answer))
        if expected.group:
            groups[f"{name} ({expected.group})"].append((expected, answer))
    return {
        "questions": len(rows),
        "right": _share([expected.is_right(answer) for expected, answer in rows]),
        "type": _share([expected.type == answer.question_type for expected, answer in rows]),
        "written_by_model": _share([answer.kind == "answer" for answer in answers]),
        "groups": {
            name: {
                "questions": len(some),
                "right": _share([expected.is_right(answer) for expected, answer in some]),
                "type": _share([expected.type == answer.question_type for expected, answer in some]),
            }
            for name, some in sorted(groups.items())
        },
    }


def _share(claims: Sequence[bool]) -> float:
    return round(sum(claims) / len(claims), 4) if claims else 0.0
