"""The assistant: the one door that workers and commands knock on.

Code finds records and passages (`model.reading`) and chooses among them (`model.choosing`), the voice writes from one
of them and code checks what was written (`model.speaking`); suggestions are `model.advice`. Whatever fails on the
way, the source itself is the answer: the passage is the floor.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch

from model.advice import Advisor
from model.answerable import Judge
from model.checkpoint import CheckpointError, load, shipped
from model.choosing import Chooser, paragraphs
from model.decoders import ModelError, NativeDecoder, NativeVoice
from model.engine import EngineError
from model.general import LONGEST_ANSWER, GeneralVoice
from model.language import language_of
from model.meaning import Meaning
from model.phrases import phrase
from model.reading import MAX_READ, Known, Reader
from model.router import Router
from model.second_voice import GEMMA
from model.shop import DEMO_SHOP, Shop
from model.speaking import NoVoice, Speaker, Voice
from model.types import Answer, OnText, Question

BEHAVIOUR = "behaviour"
"""Folder of the recommender's checkpoint, in the shop's folder or beside the built-in model."""


class Assistant:
    """Answers questions and suggests products of one shop."""

    def __init__(
        self,
        shop: Shop,
        voice: Voice | GeneralVoice,
        router: Router | None = None,
        behaviour: Path | None = None,
        meaning: Meaning | None = None,
        judge: Judge | None = None,
    ) -> None:
        """`meaning` must be of the same shop and, if it has a router, of the same labels."""
        self.shop = shop
        self.reader = Reader(shop, router, meaning)
        self.advisor = Advisor(shop, behaviour)
        self.chooser = Chooser(self.reader, self.advisor, judge)
        self.speaker = Speaker(voice, self.reader, self.chooser)
        self.find = self.reader.find
        self.evidence = self.chooser.evidence
        self.suggest = self.advisor.suggest
        self.why = self.advisor.why
        self.first_steps = self.advisor.first_steps

    @classmethod
    def load(
        cls,
        model: str = "builtin",
        shop: Path | None = None,
        device: str = "auto",
        slots: int = 32,
        threads: int = 1,
        precision: str = "auto",
        cuda_graphs: str = "auto",
        batching: str = "auto",
        answer_tokens: int = LONGEST_ANSWER,
        model_name: str = "",
        model_key: str = "",
        meaning: bool = True,
    ) -> Self:
        """Make an assistant from settings.

        model: "builtin" for the checkpoint that ships, "passages" to answer without a model, a checkpoint's folder,
        any causal language model of transformers (id, folder, .gguf file; `batching` says whose), or the address of an OpenAI-compatible
        server, whose model is `model_name` and whose key is `model_key`; the last two answer in `answer_tokens` at
        most. shop: the folder of its data, None for the demo shop; its `behaviour/`, if there is one, is what
        `kefu train behaviour` wrote. meaning: whether to use the optional encoder where it is
        installed. Raises ShopError, CheckpointError, ModelError and RecommenderError.
        """
        records = Shop.load(shop)
        behaviour = shipped(BEHAVIOUR) if shop is None else shop / BEHAVIOUR
        if model == "passages":
            return cls(records, NoVoice(), behaviour=behaviour)
        address, foreign = model.startswith(("http://", "https://")), is_foreign(model)
        folder = shipped() if model == "builtin" or address or foreign else Path(model)
        known = Known.load(records, DEMO_SHOP if shop is None else shop, folder, threads if meaning else 0)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        voice: Voice | GeneralVoice
        if address:
            from model.endpoint import EndpointDecoder

            voice = GeneralVoice(EndpointDecoder(model, model_name, model_key, slots), answer_tokens)
        elif foreign:
            from model.transformer import open_transformers

            decoder = open_transformers(model, device, slots, threads, precision, cuda_graphs, batching)
            voice = GeneralVoice(decoder, answer_tokens)
        else:
            try:
                native = NativeDecoder(load(folder, device), slots, threads, precision, cuda_graphs)
                voice = NativeVoice(native)
            except ValueError as error:
                if isinstance(error, CheckpointError):
                    raise
                raise ModelError(str(error)) from None
        return cls(records, voice, known.router, behaviour, known.meaning, known.judge)

    async def answer(self, question: Question, on_text: OnText | None = None) -> Answer:
        """Answer one question. `on_text` gets the growing text; the answer returned is the one that counts."""
        text = question.text.strip()[:MAX_READ]
        language = language_of(text, question.language)
        if not text:
            return Answer("clarify", phrase(language, "empty"))
        named = self.shop.find_order_ids(text)
        orders = [order for name in named if (order := self.shop.order(name, question.customer_id))]
        if named and not orders:
            return Answer("clarify", phrase(language, "order_not_found", id=named[0]), "order_status")
        going, rest = self.advisor.going_with(question, text, language)
        answers: list[Answer] = []
        for turn in await self.reader.turns(question, rest, language, orders):
            try:
                answers.append(await self.speaker.say(turn, None if answers else on_text))
            except EngineError:  # the model could not end its answer; the shop's own words can
                answers.append(self.chooser.by_retrieval(turn))
        return _joined([*answers, *going])

    @property
    def has_newer_recommender(self) -> bool:
        """Whether another checkpoint of the recommender has been written than the one in use."""
        return self.advisor.has_newer_recommender

    def renew_recommender(self) -> None:
        """Take over the checkpoint that lies in the recommender's folder now; see `Advisor`."""
        self.advisor.renew_recommender()

    @property
    def steps(self) -> int:
        """Grows while the engine advances: what a watchdog looks at."""
        return self.speaker.voice.steps

    def figures(self) -> dict[str, float]:
        """What the voice's engine counts, for monitoring."""
        return self.speaker.voice.figures()

    def forget(self, chat: str) -> None:
        """Keep nothing that was computed for a chat, named as in `Question.chat`. Called on the engine's loop."""
        self.speaker.voice.forget(chat)
        if self.reader.meaning:
            self.reader.meaning.encoder.forget()

    async def close(self) -> None:
        """Free the voice's engine."""
        await self.speaker.voice.close()


def is_foreign(model: str) -> bool:
    """Whether KEFU_MODEL names a model of transformers: a GGUF file, a folder of one, an id of a hub, or `gemma`."""
    path = Path(model)
    if path.suffix == ".gguf" or model == GEMMA:
        return True
    if path.is_dir():
        try:
            return "model_type" in json.loads((path / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
    return not path.exists() and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", model) is not None


def _joined(answers: Sequence[Answer]) -> Answer:
    """One answer to all questions of a message. What could not be answered is said only if nothing could."""
    known = [answer for answer in answers if answer.kind != "unknown"]
    if len(known) < 2 or known[0].text == known[1].text:
        return known[0] if known else answers[0]
    first = known[0]
    return replace(
        first,
        text=paragraphs(*(answer.text for answer in known)),
        confidence=min(answer.confidence for answer in known),
        source_title=" · ".join(
            dict.fromkeys(answer.source_title for answer in known if answer.source_title)
        ),
        products=tuple(product for answer in known for product in answer.products),
    )
