"""General models behind the assistant: they phrase what the source states, and nothing else reaches a customer."""

import functools
from collections.abc import AsyncIterator, Sequence

import pytest

from model.assistant import Assistant
from model.checkpoint import shipped
from model.decoders import Message, Options, PromptTooLong
from model.engine import EngineError
from model.general import GeneralVoice
from model.router import Router
from model.shop import Shop
from model.types import Answer, PastTurn, Question


class Scripted:
    """Says what a test tells it to, or fails as it tells it to."""

    steps = 0

    def __init__(self, text: str | Exception) -> None:
        self.text = text
        self.messages: list[Message] = []
        self.said = 0

    def figures(self) -> dict[str, float]:
        return {"tokens": 1.0}

    async def chat(self, messages: Sequence[Message], options: Options, chat: str = "") -> AsyncIterator[str]:
        self.messages += messages
        if isinstance(self.text, Exception):
            raise self.text
        for word in self.text.split(" "):
            self.said += 1
            yield word + " "

    async def close(self) -> None:
        return


@functools.cache
def shop() -> Shop:
    return Shop.load()


def passage(name: str = "delivery-standard") -> str:
    return next(passage.text for passage in shop().passages if passage.id == name)


async def ask(
    scripted: Scripted,
    text: str = "How long does standard delivery take?",
    history: tuple[PastTurn, ...] = (),
) -> tuple[Answer, list[str]]:
    seen: list[str] = []
    assistant = Assistant(shop(), GeneralVoice(scripted), Router.load(shipped()))
    return await assistant.answer(Question(text, "en", 1, history, "chat"), seen.append), seen


async def test_words_that_the_source_supports_are_used() -> None:
    text = f"Of course! {passage()}"
    answer, seen = await ask(scripted := Scripted(text))
    assert answer.kind == "answer" and answer.text == text.strip()
    assert answer.source_id == "delivery-standard"
    assert seen and all(answer.text.startswith(part) for part in seen)
    (message,) = scripted.messages
    assert passage() in message.text and message.text.startswith(message.fixed)


@pytest.mark.parametrize(
    "text",
    [
        "It takes 77 days.",
        "Write to me@elsewhere.example for it.",
        "Bananas grow slowly upon distant purple mountains today.",
        "Take the Aurora Lamp, it is quicker.",
        "ab c! de.",
        "",
        EngineError("gone"),
        PromptTooLong("long"),
    ],
)
async def test_what_it_does_not_support_is_replaced_by_the_source(text: str | Exception) -> None:
    answer, seen = await ask(Scripted(text))
    assert (answer.kind, answer.text) == ("passage", passage())
    assert not any("77" in part or "elsewhere" in part for part in seen)


async def test_a_wrong_value_is_never_shown_and_stops_the_writing() -> None:
    scripted = Scripted("Delivery takes working days. It costs 9999.99 EUR. And so on. " * 30)
    answer, seen = await ask(scripted)
    assert answer.kind == "passage"
    assert not any("9999" in part for part in seen)
    assert scripted.said < 20


async def test_courtesies_refusals_and_orders_stay_with_code() -> None:
    for text, kind in (
        ("thank you!", "smalltalk"),
        ("qqqq zzzz", "unknown"),
        ("Where is KF-99999?", "clarify"),
    ):
        answer, _ = await ask(scripted := Scripted("I made this up."), text)
        assert answer.kind == kind and not scripted.messages


async def test_the_conversation_so_far_is_told() -> None:
    past = (PastTurn("do you deliver?", "We do.", "delivery_time", "delivery-standard"),)
    await ask(scripted := Scripted("x"), "How long does standard delivery take?", past)
    assert "do you deliver?" in scripted.messages[0].text
