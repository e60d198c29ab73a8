"""The voice of any chat model: it gets the one source that holds the answer, as plain text, and puts it in its words.

Which source that is, code decides (`model.choosing`), and code checks what comes (`model.check`): the model can
phrase, it cannot state. The instructions come first and are the same for all, so that they are computed once.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from model.decoders import Message, Options
from model.types import Language, PastTurn

LONGEST_ANSWER = 160
"""Tokens of an answer: a customer reads it on a phone."""

PAST_TURNS = 2

_INSTRUCTIONS: dict[Language, str] = {
    "en": "You answer customers of a shop. Use only the facts below, in one to three friendly sentences. Copy every "
    "number, price, date and name exactly as it stands in the facts. If the facts do not answer the question, repeat "
    "them. Write nothing else.",
    "zh": "你是商店的客服。只根据下面的信息回答，用一到三句友好的话。数字、价格、日期和名称必须与信息完全一致。"
    "如果信息不能回答问题，就复述信息。不要写别的内容。",
}
_WORDS: dict[Language, tuple[str, str, str, str]] = {
    "en": ("Facts", "Earlier question", "Earlier answer", "Question"),
    "zh": ("信息", "之前的问题", "之前的回答", "问题"),
}


class ChatDecoder(Protocol):
    """A chat model. Closing the iterator or cancelling its task stops the work at once."""

    @property
    def steps(self) -> int: ...

    def figures(self) -> dict[str, float]: ...

    def forget(self, chat: str) -> None: ...

    def chat(self, messages: Sequence[Message], options: Options, chat: str = "") -> AsyncIterator[str]:
        """The reply to a conversation, in pieces. Raises EngineError and PromptTooLong."""
        ...

    async def close(self) -> None: ...


class GeneralVoice:
    """A chat model that tells a source in its own words."""

    def __init__(self, decoder: ChatDecoder, longest: int = LONGEST_ANSWER) -> None:
        self._decoder = decoder
        self._longest = longest

    @property
    def steps(self) -> int:
        return self._decoder.steps

    def figures(self) -> dict[str, float]:
        """The decoder's counters for monitoring."""
        return self._decoder.figures()

    def forget(self, chat: str) -> None:
        """Keep nothing that was computed for a chat."""
        self._decoder.forget(chat)

    def tell(
        self,
        title: str,
        text: str,
        question: str,
        language: Language,
        history: Sequence[PastTurn] = (),
        chat: str = "",
    ) -> AsyncIterator[str]:
        """An answer to a question from one source, in pieces. It is not checked here."""
        message = render(title, text, question, language, history)
        return self._decoder.chat([message], Options(max_new_tokens=self._longest), chat)

    async def close(self) -> None:
        """End every answer that is under way."""
        await self._decoder.close()


def render(
    title: str, text: str, question: str, language: Language, history: Sequence[PastTurn] = ()
) -> Message:
    """One message with everything: templates without a system role take it too."""
    facts, asked, replied, now = _WORDS[language]
    lines = [f"{facts}: {title}. {text}", ""]
    for past in history[-PAST_TURNS:]:
        lines += [f"{asked}: {past.customer}", f"{replied}: {past.reply}"]
    lines.append(f"{now}: {question}")
    head = _INSTRUCTIONS[language] + "\n\n"
    return Message("user", head + "\n".join(lines), fixed=head)
