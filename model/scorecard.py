"""How an assistant does on a file of questions with the answers that are expected of it.

One JSON object a line: {"id", "language", "text", "customer_id"?, "wording"?, "expect": {"type", "kind", "source",
"contains", "absent"?}}. An answer is right if it is of the expected kind, rests on the expected source, states every
value in `contains` and none in `absent`.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.assistant import Assistant
from model.types import Answer, Question

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

    def is_right(self, answer: Answer) -> bool:
        """Whether an answer is what was expected. A passage is as good as an answer that was written."""
        kinds = {"answer", "passage"} if self.kind == "answer" else {self.kind}
        return (
            answer.kind in kinds
            and self.source in (None, answer.source_id)
            and all(value in answer.text for value in self.contains)
            and not any(value in answer.text for value in self.absent)
        )


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
                )
            )
        except (ValueError, KeyError, TypeError) as error:
            raise QuestionsError(
                f"{path}, line {number}: {error!r}; see the docstring of model/scorecard.py"
            ) from None
    return found


def score(
    assistant: Assistant, questions: Sequence[Expected], on_answer: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Ask everything and count. Shares are from 0 to 1, seconds are per answer with 16 at once."""
    answers: list[Answer] = []

    async def ask(question: Question) -> Answer:
        answer = await assistant.answer(question)
        on_answer()
        return answer

    async def ask_all() -> None:
        for start in range(0, len(questions), _AT_ONCE):
            some = questions[start : start + _AT_ONCE]
            answers.extend(await asyncio.gather(*(ask(expected.question) for expected in some)))

    started = time.monotonic()
    asyncio.run(ask_all())
    seconds = time.monotonic() - started
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
        "seconds_per_answer": round(seconds / max(len(rows), 1), 4),
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
