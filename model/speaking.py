"""Says what was chosen: the voice writes from the source, code checks every word, and the source itself is the floor."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from model.check import faithfulness, shared_words, unsupported
from model.choosing import TYPE_CONFIDENCE, Chooser
from model.decoders import Decision, PromptTooLong
from model.general import GeneralVoice
from model.literal import fields_of, is_taught, quotes, told_to_the_end, with_delivery
from model.prompt import QUESTION_TYPES, Exchange, Fact, plain, render_prompt
from model.reading import Reader, Source, Turn
from model.router import fuse
from model.slots import SLOT, Slots
from model.types import Answer, OnText

PLAUSIBLE = 0.01
"""Question types that the router holds for less likely than this are not put to the model."""

MODEL_TRUST = 0.2
"""Weight of the model's opinion on the question type beside the router's, from held-out wordings."""

MAX_QUESTION = 600
"""Characters of a question that the model reads."""

LEAST_FAITHFUL = 0.5
"""Share of a general model's content words that its source or the question must have."""

LEAST_SHARED = 2
"""Content words that a general model's answer must have of its source."""


class Voice(Protocol):
    """What writes answers from a prompt of `model.prompt`. `steps` grows while it works."""

    @property
    def steps(self) -> int: ...

    def figures(self) -> dict[str, float]:
        """Counters for monitoring."""
        ...

    def forget(self, chat: str) -> None:
        """Keep nothing that was computed for a chat."""
        ...

    def fits(self, prompt: str) -> bool:
        """Whether a prompt leaves room for an answer."""
        ...

    def write(
        self,
        prompt: str,
        *,
        types: Sequence[str],
        keys: Sequence[int],
        slots: Mapping[int | None, Collection[int]],
        allow_none: bool = True,
        chat: str = "",
    ) -> AsyncGenerator[Decision | str]:
        """One Decision, then the answer in pieces, each slot whole. Raises EngineError if it cannot end."""
        ...

    async def close(self) -> None:
        """Free what generates."""
        ...


class NoVoice:
    """Writes nothing and is sure of nothing, so that every answer is the passage that retrieval finds."""

    steps = 0

    def figures(self) -> dict[str, float]:
        return {}

    def forget(self, chat: str) -> None:
        return

    def fits(self, prompt: str) -> bool:
        return True

    async def write(
        self,
        prompt: str,
        *,
        types: Sequence[str],
        keys: Sequence[int],
        slots: Mapping[int | None, Collection[int]],
        allow_none: bool = True,
        chat: str = "",
    ) -> AsyncGenerator[Decision | str]:
        yield Decision("other", 0.0, None, 0.0)

    async def close(self) -> None:
        return


@dataclass(frozen=True)
class _Page:
    """A prompt and what its keys and slots stand for; `allowed` are the slots that each key's answer may use."""

    prompt: str
    sources: tuple[Source, ...]
    slots: Slots
    allowed: Mapping[int | None, Collection[int]]


class Speaker:
    """A voice, and the checks on what it writes."""

    def __init__(self, voice: Voice | GeneralVoice, reader: Reader, chooser: Chooser) -> None:
        self.voice = voice
        self._reader = reader
        self._chooser = chooser
        self._titles = [title for product in reader.shop.products for title in product.titles()]

    async def say(self, turn: Turn, on_text: OnText | None) -> Answer:
        if isinstance(self.voice, GeneralVoice):
            return await self._tell(self.voice, turn, on_text)
        return await self._write(self.voice, turn, on_text)

    async def _tell(self, voice: GeneralVoice, turn: Turn, on_text: OnText | None) -> Answer:
        """Code names type and source, a general model says it, code checks it; the source itself is the floor.

        What a customer sees growing has passed the check too: sentence by sentence, and it stops at the first that
        does not pass.
        """
        ranking = tuple(sorted(turn.types.items(), key=lambda item: -item[1]))
        name, probability = ranking[0] if ranking else ("other", 0.0)
        decision = Decision(name, probability, None, 1.0, ranking)
        decision, verdict = self._chooser.verdict(turn, turn.sources, decision, None)
        if isinstance(verdict, Answer):
            return verdict
        written, draft, checked = "", "", 0
        question = turn.text[:MAX_QUESTION]
        pieces = voice.tell(
            verdict.title, verdict.text, question, turn.language, turn.question.history, turn.question.chat
        )
        try:
            async with aclosing(pieces) as stream:  # type: ignore[type-var]
                async for piece in stream:
                    written += piece
                    draft += piece
                    end = max(written.rfind(mark) for mark in (". ", "! ", "? ", "。", "！", "？", "\n")) + 1
                    if end > checked:
                        if not self._is_supported(verdict, written[:end]):
                            written = ""
                            break
                        checked = end
                        if on_text and written[:end].strip():
                            on_text(written[:end].strip())
        except PromptTooLong:
            written = ""
        text = written.strip()
        is_sound = bool(text) and self._is_supported(verdict, text)
        known = f"{verdict.title} {verdict.text} {turn.text}"
        is_sound = (
            is_sound
            and shared_words(text, f"{verdict.title} {verdict.text}") >= LEAST_SHARED
            and faithfulness(text, known) >= LEAST_FAITHFUL
        )
        return Answer(
            "answer" if is_sound else "passage",
            text if is_sound else verdict.shown(turn.language),
            decision.question_type,
            decision.type_probability,
            verdict.id,
            verdict.title if verdict.kind == "passage" else "",
            draft=draft.strip(),
        )

    def _is_supported(self, source: Source, text: str) -> bool:
        return not unsupported(text, [source.title, source.text], self._titles)

    async def _write(self, voice: Voice, turn: Turn, on_text: OnText | None) -> Answer:
        """Let the voice decide and write; where code knows the source better, ask again with that one alone."""
        name = max(turn.types, key=turn.types.__getitem__, default="other")
        if name not in QUESTION_TYPES:  # the shop's own, of which the voice knows nothing
            passage = self._reader.best_passage(turn, name)
            sure = turn.types[name] >= TYPE_CONFIDENCE
            if self._chooser.judge:
                sure = self._chooser.answerable(turn, name) >= self._chooser.judge.threshold
            if passage and sure:
                return Answer("passage", passage.text, name, turn.types[name], passage.id, passage.title)
            return self._chooser.by_retrieval(turn, turn.types[name])
        page = self._page(voice, turn, turn.sources)
        keys = range(len(page.sources))
        likely = [name for name in QUESTION_TYPES if turn.types.get(name, 1.0) >= PLAUSIBLE]
        async with aclosing(
            voice.write(page.prompt, types=likely, keys=keys, slots=page.allowed, chat=turn.question.chat)
        ) as stream:
            decision = await anext(stream)
            assert isinstance(decision, Decision)
            if turn.types:
                decision = _fused(decision, turn.types)
            chosen = page.sources[decision.key] if decision.key is not None else None
            named = decision.question_type
            decision, verdict = self._chooser.verdict(turn, page.sources, decision, chosen)
            if isinstance(verdict, Answer):
                return verdict
            if decision.question_type not in QUESTION_TYPES:
                name, sure = decision.question_type, decision.type_probability
                return Answer("passage", verdict.text, name, sure, verdict.id, verdict.title)
            if verdict == chosen and decision.question_type == named:
                return self._checked(turn, verdict, decision, await _text(stream, page, on_text))
        page = self._page(voice, turn, (verdict,))
        keys, types = range(len(page.sources)), [decision.question_type]
        async with aclosing(
            voice.write(
                page.prompt,
                types=types,
                keys=keys,
                slots=page.allowed,
                allow_none=False,
                chat=turn.question.chat,
            )
        ) as stream:
            await anext(stream)
            return self._checked(turn, verdict, decision, await _text(stream, page, on_text))

    def _page(self, voice: Voice, turn: Turn, sources: Sequence[Source]) -> _Page:
        """The prompt, with as many of the sources as it has room for, the likeliest first; then with less to ask."""
        for count in range(len(sources), 0, -1):
            page = _render(turn, tuple(sources[:count]), MAX_QUESTION)
            if voice.fits(page.prompt):
                return page
        length = MAX_QUESTION // 4
        while not voice.fits((page := _render(turn, (), length)).prompt):
            length //= 2
        return page

    def _checked(self, turn: Turn, source: Source, decision: Decision, text: str) -> Answer:
        """The model's words if they say nothing but what the source says, else the source itself."""
        draft = text
        slips = unsupported(text, [source.title, source.text, turn.text], self._titles)
        sound = bool(text) and not slips
        if sound and source.kind == "passage":
            sound = quotes(text, source.text)
            text = told_to_the_end(text, source.text, turn.language)
        elif sound:
            fields = fields_of(source.text)
            sound = is_taught(decision.question_type, source.title, fields, text, turn.language)
            if decision.question_type == "order_status":
                text = with_delivery(text, fields, turn.language)
            if decision.question_type == "product_info" and source.rest:
                text = f"{text}{'' if turn.language == 'zh' else ' '}{source.rest}"
        return Answer(
            "answer" if sound else "passage",
            text if sound else source.shown(turn.language),
            decision.question_type,
            decision.type_probability,
            source.id,
            source.title if source.kind == "passage" else "",
            draft=draft,
            slips=tuple(slips),
        )


def _fused(decision: Decision, types: Mapping[str, float]) -> Decision:
    """The decision with the router's opinion; a key that was chosen for another type counts for nothing."""
    ranking = fuse(
        [(types, 1.0), (dict(decision.ranking), MODEL_TRUST)], [name for name, _ in decision.ranking]
    )
    name, probability = ranking[0]
    same = name == decision.question_type
    return Decision(
        name,
        probability,
        decision.key if same else None,
        decision.key_probability if same else 1.0,
        tuple(ranking),
    )


async def _text(stream: AsyncIterator[Decision | str], page: _Page, on_text: OnText | None) -> str:
    """Read an answer to its end, values filled in, and report how it grows."""
    written = ""
    async for piece in stream:
        written += str(piece)
        if on_text and written.strip():
            on_text(page.slots.fill(written).strip())
    return page.slots.fill(written).strip()


def _render(turn: Turn, sources: tuple[Source, ...], question: int) -> _Page:
    slots = Slots()
    facts = [Fact(_topic(s), slots.cut(plain(s.title)), slots.cut(plain(s.text))) for s in sources]
    history = []
    for past in turn.question.history[-1:]:  # only if what it rested on is in front of the model again
        for key, source in enumerate(sources):
            if source.id == past.source_id and past.question_type in QUESTION_TYPES:
                asked, replied = (
                    slots.cut(plain(text[:MAX_QUESTION])) for text in (past.customer, past.reply)
                )
                lead = (
                    " " if turn.language == "en" else ""
                )  # as in training, so that a word starts the same way
                history.append(Exchange(asked, past.question_type, key, lead + replied))
    keys = range(len(facts))
    prompt = render_prompt(turn.language, facts, keys, history, slots.cut(plain(turn.text[:question])))
    return _Page(prompt, sources, slots, {key: _slot_numbers(facts[key]) for key in keys})


def _topic(source: Source) -> str:
    """A source's topic as the voice knows it: what a shop taught itself is "other" to it."""
    return source.topic if source.topic in QUESTION_TYPES else "other"


def _slot_numbers(fact: Fact) -> frozenset[int]:
    return frozenset(int(number) for number in SLOT.findall(f"{fact.title} {fact.text}"))
