"""Whatever a customer asks, the assistant has an answer, and one that a reply can carry."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import strategies as st

from model.assistant import Assistant
from model.types import Question
from tests.fuzz.inputs import good_texts
from tests.fuzz.properties import Check, Property
from workers.contracts import Reply


@contextmanager
def _answered() -> Iterator[Check]:
    assistant = Assistant.load(model="passages")
    with asyncio.Runner() as runner:

        def check(given: tuple[str, str]) -> None:
            text, language = given
            answer = runner.run(assistant.answer(Question(text, language, 1)))
            assert answer.text.strip()
            Reply(kind="answer", language=language, text=answer.text, source=answer.source_title)
            runner.run(assistant.suggest(text, language, 1))

        yield check


PROPERTIES = [
    Property(
        "every question has an answer", 3, st.tuples(good_texts, st.sampled_from(["en", "zh"])), _answered
    )
]
