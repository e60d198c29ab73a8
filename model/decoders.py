"""Text in, text out: what generates behind one small interface, and the built-in voice on top of it.

`Decoder` is what any language model must offer. `NativeVoice` asks our own checkpoint in the format of
`model.prompt` and holds it to that format by construction: a type of those allowed, a key of those given, then
words in which the only values are the slots that belong to that key.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from model.checkpoint import Checkpoint, CheckpointError
from model.engine import Constraint, Engine, EngineError, Request
from model.graphs import capture_for
from model.int8 import in_precision
from model.memory import NoMemory, fitting_slots
from model.prompt import EOS, KEY_TOKENS, NONE, QUESTION_TYPES, SLOT_TOKENS, TYPE_TOKENS

MAX_ANSWER = 128
"""Tokens of a type, a key and an answer; trained answers are far shorter."""

LEAST_ROOM = 48
"""Tokens of the context that a prompt must leave free for its answer."""


class PromptTooLong(ValueError):
    """A prompt that leaves no room for an answer; whoever made it should put fewer facts in front."""


class ModelError(ValueError):
    """A model that cannot be used; the text says why and what to do."""


@dataclass(frozen=True)
class Message:
    """One message of a conversation. `fixed`: the part at its start that is nobody's secret and the same for all."""

    role: str
    text: str
    fixed: str = ""


@dataclass(frozen=True)
class Options:
    """How to generate. Temperature 0 takes the likeliest token; `deadline` is on `time.monotonic`'s clock.

    The text ends before the first of the strings in `stop`.
    """

    max_new_tokens: int = MAX_ANSWER
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    deadline: float | None = None


GREEDY = Options()


class TextStops:
    """Ends a growing text before the first of some strings; holds back what might be the beginning of one."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._held = ""
        self.is_over = False

    def push(self, piece: str) -> str:
        """What of the text is certain now."""
        text = self._held + piece
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.is_over, self._held = True, ""
            return text[: min(found)]
        longest = max(
            (n for stop in self._stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0
        )
        cut = len(text) - longest
        self._held = text[cut:]
        return text[:cut]

    def finish(self) -> str:
        """What was held back, now that nothing follows."""
        held, self._held = self._held, ""
        return held


def transcript(messages: Sequence[Message]) -> tuple[str, tuple[str, ...]]:
    """A conversation for a model without a template of its own, and the strings at which its reply ends."""
    names = {"system": "", "user": "", "assistant": "Answer: "}
    lines = [names.get(message.role, "") + message.text for message in messages]
    return "\n\n".join(lines) + "\nAnswer:", ("\n\n", "\nQuestion:", "\nAnswer:", "\n问题")


class Decoder(Protocol):
    """A language model. Closing the iterator or cancelling its task stops the work at once."""

    def generate(self, prompt: str, options: Options = GREEDY) -> AsyncIterator[str]:
        """The continuation of a prompt, in pieces of whole characters."""
        ...

    async def close(self) -> None:
        """End what is under way and free the memory's owner."""
        ...


class NativeDecoder:
    """Our own network with its tokenizer, behind an engine that serves up to `slots` prompts at once.

    Fewer if the memory has no room for so many; raises ModelError if it has for none.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        slots: int = 32,
        threads: int | None = None,
        precision: str = "fp32",
        cuda_graphs: str = "auto",
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.checkpoint = checkpoint
        self.tokenizer = checkpoint.tokenizer
        model = in_precision(checkpoint.model, precision, slots)
        try:
            slots, kept = fitting_slots(model.row_bytes(), slots, model.device)
        except NoMemory as error:
            raise ModelError(str(error)) from None
        self.engine = Engine(model, slots, kept=kept, capture=capture_for(model.device, cuda_graphs))

    def count(self, text: str) -> int:
        """The tokens of a text."""
        return len(self.tokenizer.encode(text))

    def request(
        self, prompt: str, options: Options, constraint: Constraint | None = None, chat: str = ""
    ) -> Request:
        """A prompt as the engine takes it, for a chat whose earlier prompts may help. Raises PromptTooLong."""
        ids = self.tokenizer.encode(prompt)
        room = self.checkpoint.config.context - len(ids)
        if room < min(LEAST_ROOM, options.max_new_tokens):
            raise PromptTooLong(
                f"the prompt has {len(ids)} tokens and leaves {max(room, 0)} of the model's "
                f"{self.checkpoint.config.context} for the answer; put fewer or shorter facts in front"
            )
        return Request(
            ids,
            min(options.max_new_tokens, room),
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            min_p=options.min_p,
            repetition_penalty=options.repetition_penalty,
            seed=options.seed,
            stop_ids=frozenset({self.tokenizer.id_of(EOS)}),
            constraint=constraint,
            deadline=options.deadline,
            chat=chat or None,
        )

    async def generate(self, prompt: str, options: Options = GREEDY) -> AsyncIterator[str]:
        """The continuation of a prompt, in pieces of whole characters."""
        request, text, stops = self.request(prompt, options), self.tokenizer.stream(), TextStops(options.stop)
        with self.engine.submit(request) as stream:
            async for token in stream:
                if token.id not in request.stop_ids and (piece := stops.push(text.push(token.id))):
                    yield piece
                if stops.is_over:
                    return
        if piece := stops.finish():
            yield piece

    async def close(self) -> None:
        """End every request that is under way."""
        self.engine.close()


@dataclass(frozen=True)
class Decision:
    """What the voice takes a question for, before it writes a word.

    Probabilities are among what was allowed. `key` is the number of the fact that the answer will rest on,
    None if on none. `ranking` has every allowed type with its probability, likeliest first.
    """

    question_type: str
    type_probability: float
    key: int | None
    key_probability: float
    ranking: tuple[tuple[str, float], ...] = ()


class NativeVoice:
    """The built-in voice: decides on type and fact, then writes, all in the format it was trained in."""

    def __init__(self, decoder: NativeDecoder) -> None:
        if not decoder.checkpoint.labels:
            raise CheckpointError(
                "this checkpoint is a plain language model without question types; use another"
            )
        self.decoder = decoder
        tokenizer = decoder.tokenizer
        self._eos = tokenizer.id_of(EOS)
        self._type_ids = dict(zip(QUESTION_TYPES, map(tokenizer.id_of, TYPE_TOKENS), strict=True))
        self._key_ids: dict[int | None, int] = dict(enumerate(map(tokenizer.id_of, KEY_TOKENS)))
        self._key_ids[None] = tokenizer.id_of(NONE)
        self._slot_ids = [tokenizer.id_of(token) for token in SLOT_TOKENS]
        unsaid = [id for id in range(tokenizer.vocab_size) if not _may_be_said(tokenizer.decode([id]))]
        words = torch.zeros(decoder.checkpoint.config.vocab_size)
        words[[*range(len(tokenizer.special_tokens)), *unsaid]] = float("-inf")
        words[tokenizer.vocab_size :] = float("-inf")
        self._words = words.to(decoder.checkpoint.model.device)

    @property
    def steps(self) -> int:
        """The steps that the engine has made."""
        return self.decoder.engine.stats.steps

    def figures(self) -> dict[str, float]:
        """The engine's counters for monitoring."""
        return self.decoder.engine.stats.figures()

    def forget(self, chat: str) -> None:
        """Keep nothing that was computed for a chat."""
        self.decoder.engine.forget(chat)

    def fits(self, prompt: str) -> bool:
        """Whether a prompt leaves enough of the context for its answer."""
        return self.decoder.count(prompt) + LEAST_ROOM <= self.decoder.checkpoint.config.context

    async def write(
        self,
        prompt: str,
        *,
        types: Sequence[str] = QUESTION_TYPES,
        keys: Sequence[int] = (),
        slots: Mapping[int | None, Collection[int]],
        allow_none: bool = True,
        deadline: float | None = None,
        chat: str = "",
    ) -> AsyncGenerator[Decision | str]:
        """Yield one Decision, then the answer in pieces; slots stand in it as `<v17>`, each whole in its piece.

        types: the question types to choose from; keys: the numbers of the facts in the prompt, besides which
        `<none>` may be chosen if `allow_none`; slots: for each key (and None) the slots that its answer may use.
        Raises PromptTooLong, and EngineError if the answer could not be completed.
        """
        choices = [*keys, None] if allow_none or not keys else list(keys)
        form = _Form(self, types, choices, slots)
        request = self.decoder.request(prompt, Options(deadline=deadline), form.constrain, chat)
        text = self.decoder.tokenizer.stream()
        with self.decoder.engine.submit(request) as stream:
            kind, key = await anext(stream), await anext(stream)
            ranking = sorted(zip(types, kind.choices, strict=True), key=lambda pair: -pair[1])
            yield Decision(
                types[form.type_ids.index(kind.id)], kind.probability,
                choices[form.key_ids.index(key.id)], key.probability, tuple(ranking),
            )  # fmt: skip
            async for token in stream:
                if token.id != self._eos and (piece := text.push(token.id)):
                    yield piece
        if stream.finish_reason != "stop":
            raise EngineError(f"the answer did not end within {request.max_new_tokens} tokens")

    async def classify(
        self, prompt: str, *, types: Sequence[str] = QUESTION_TYPES, deadline: float | None = None
    ) -> tuple[tuple[str, float], ...]:
        """Only the question type: every allowed one with its probability, likeliest first."""
        ids = [self._type_ids[name] for name in types]
        options = Options(max_new_tokens=1, deadline=deadline)
        with self.decoder.engine.submit(
            self.decoder.request(prompt, options, constraint=lambda _: ids)
        ) as stream:
            token = await anext(stream)
        return tuple(sorted(zip(types, token.choices, strict=True), key=lambda pair: -pair[1]))

    async def close(self) -> None:
        """End every answer that is under way."""
        await self.decoder.close()


class _Form:
    """The form of one answer as a constraint: a type, a key, then words with the slots of that key."""

    def __init__(
        self,
        voice: NativeVoice,
        types: Sequence[str],
        keys: Sequence[int | None],
        slots: Mapping[int | None, Collection[int]],
    ) -> None:
        self.type_ids = [voice._type_ids[name] for name in types]
        self.key_ids = [voice._key_ids[key] for key in keys]
        self._keys = keys
        self._slots = slots
        self._voice = voice
        self._words = voice._words

    def constrain(self, generated: Sequence[int]) -> Sequence[int] | Tensor:
        match len(generated):
            case 0:
                return self.type_ids
            case 1:
                return self.key_ids
            case 2:  # the first word: from here on the slots of the key, but not yet the end
                key = self._keys[self.key_ids.index(generated[1])]
                self._words = self._words.clone()
                self._words[[self._voice._slot_ids[number] for number in self._slots.get(key, ())]] = 0.0
            case 3:
                self._words[self._voice._eos] = 0.0
        return self._words


def _may_be_said(text: str) -> bool:
    """Whether a token can be part of an answer's words: values are only ever said by slots."""
    return not any(character.isdigit() or character in "@/<>" for character in text)
