"""The assistant: the one door that workers and commands knock on.

Code finds records and passages, the voice names the question type and writes from one of them, code checks what
was written. Whatever fails on the way, the source itself is the answer: the passage is the floor.
"""

import asyncio
import json
import math
import re
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, Self

import numpy as np
import torch

from model.answerable import Evidence, Judge, logit
from model.check import faithfulness, shared_words, unsupported
from model.checkpoint import CheckpointError, load, shipped
from model.data.asks import type_of
from model.decoders import Decision, ModelError, NativeDecoder, NativeVoice, PromptTooLong
from model.encoder import VECTORS, open_encoder
from model.engine import EngineError
from model.general import LONGEST_ANSWER, GeneralVoice
from model.knowledge import Catalogue, Hit, Knowledge, Passage, covered_share
from model.language import language_of
from model.literal import fields_of, is_taught, quotes, sentences_of, told_to_the_end, with_delivery
from model.meaning import Meaning, MeaningRouter
from model.phrases import phrase
from model.prompt import (
    ORDER_TYPES,
    PRODUCT_TYPES,
    QUESTION_TYPES,
    SMALL_TALK_TYPES,
    Exchange,
    Fact,
    plain,
    render_prompt,
)
from model.router import FILE as ROUTER
from model.router import PRODUCT, Router, by_type, fuse
from model.second_voice import GEMMA
from model.shop import DEMO_SHOP, STATUS_NAMES, Order, Product, Shop, ShopError, date_text
from model.slots import SLOT, Slots
from model.suggester import Request, Suggester, Suggestion
from model.together import Together
from model.types import (
    Answer,
    CustomerEvent,
    FirstSteps,
    Language,
    OnText,
    PastTurn,
    Question,
    SuggestedProduct,
)
from model.wishes import asks_for_things

PASSAGES = 4
"""Passages put before the model; more cost time and hide the right one."""

MAX_RECORDS = 2
"""Orders and products put before the model, of each kind."""

MAX_LISTED = 8
"""Orders that a question back lists."""

SUGGESTIONS = 3

FIRST_PRODUCTS = 6
"""Products that a newcomer is asked to judge."""

BEHAVIOUR = "behaviour"
"""Folder of the recommender's checkpoint, in the shop's folder or beside the built-in model."""

TYPE_CONFIDENCE = 0.5
"""Below this probability of the question type, retrieval decides instead of the model."""

PLAUSIBLE = 0.01
"""Question types that the router holds for less likely than this are not put to the model."""

POSSIBLE = 0.1
"""A passage whose type the router holds for less likely than this is not shown on retrieval's word alone."""

POSSIBLE_WISH = 0.002
"""A question that nothing answers is not taken for a wish if the routers hold that for less likely than this."""

MODEL_TRUST = 0.2
"""Weight of the model's opinion on the question type beside the router's, from held-out wordings."""

NGRAMS_TRUST = 0.5
MEANING_TRUST = 1.2
"""Weights of the router's n-grams and of an encoder's vectors in the question type, from held-out wordings."""

RETRIEVAL_TRUST = 0.5
"""Weight of retrieval beside the aspects when a passage of a topic is chosen."""

LIKENESS_TRUST = 12.0
"""Weight of a passage's likeness by meaning, as a cosine, when a passage of a topic is chosen."""

SURE_PART = 0.35
"""A part of a message that the router is surer of than this, and twice as sure as of anything else, may be a question
of its own."""

SAME_MATTER = 4.0
"""How much likelier the question type of the last answer is for a question that says too little."""

SHORTEST = 2
MOST_PARTS = 6
"""Words of a part at least, and parts of a message at most, that are looked at for two questions."""

ITSELF = 0.2
"""Weight of what such a question says by itself beside what both say together."""

ALONE = 0.6
"""A question that the router is surer of than this is read alone, whatever stood before it."""

GOES_ON_UNITS = 12
FOLLOW_UP_UNITS = 6
"""Words or Chinese characters up to which a question may be a follow-up that says too little."""

MAX_QUESTION = 600
"""Characters of a question that the model reads."""

MAX_READ = 4096
"""Characters of a question that retrieval reads: one message's worth, however many were sent together."""

LEAST_FAITHFUL = 0.5
"""Share of a general model's content words that its source or the question must have."""

LEAST_SHARED = 2
"""Content words that a general model's answer must have of its source."""

ATTRIBUTE = "product_info/attribute"
"""Questions on one thing about a product, which its record may not tell."""

RECORD_TYPES = ORDER_TYPES | {"product_price", "product_stock"}
"""Questions that a record always answers, once it is known which, so that their type's probability is enough."""

NO_SOURCE = SMALL_TALK_TYPES | {"other", "human", "suggest"}
"""Questions that no passage and no record answers."""

ORDER_MATTERS = frozenset({"order_cancel", "order_change", "order_invoice"})
"""Questions on an order that the shop's rules answer, not its record alone."""

_ACTION_NAMES = {"buy": "buy", "like": "like", "more": "like", "view": "view", "cheaper": "view"}
_REASON_OF = {action: f"reason_{name}" for action, name in _ACTION_NAMES.items()}

_LEAST = 1e-6
_LEAST_FIT = 0.05
_COSINES = 20.0
"""What brings differences of this encoder's cosines to about 1."""
_LANGUAGES: tuple[Language, Language] = ("en", "zh")
_UNIT = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_BETWEEN_QUESTIONS = re.compile(
    r"[?？!！。；;\n]+|\.\s+|[,，]\s*|(?:^|\s)(?:and|also|plus)\s|还有|另外|以及|顺便", re.IGNORECASE
)
_NO_QUESTION = SMALL_TALK_TYPES | {"other", "complaint", "human"}
_ASKS = re.compile(
    r"\b(how|what|when|where|which|who|why|can|could|do|does|did|is|are|will|would|may|should|any)\b"
    r"|[吗么呢]|[不没][?？]*$|多|几|怎|咋|哪|什么|啥|谁|能|可以|可否|行|如何|为何|要不要|有没有|是不是|会不会",
    re.IGNORECASE,
)
_FOLLOW_UP_END = re.compile(r"呢[\s?？!！。~～]*$")
_GOES_WITH = re.compile(
    r"\bwhat (?:else )?(?:goes|would go|could go|can go|matches|pairs|would match)\b.*\bwith\b|搭配什么|搭配.*[好买]|配什么|配啥",
    re.IGNORECASE,
)
_THIS = re.compile(r"\b(this|that|it|these|them)\b|[这它]", re.IGNORECASE)
_FOLLOW_UP = re.compile(r"^\s*((and|what about|how about|also|or)\b|那|还有|如果|要是|换成)", re.IGNORECASE)


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
class _Source:
    """One passage or record that an answer may rest on; `rest` is what is told of a product beside its record."""

    id: str
    kind: Literal["passage", "order", "product"]
    topic: str
    title: str
    text: str
    rest: str = ""

    def shown(self, language: Language) -> str:
        """The source as a customer reads it when the model's words are not used."""
        if self.kind == "passage":
            return self.text
        head = phrase(language, f"{self.kind}_fact", title=self.title)
        return "\n".join([head, *re.split(r"[;；]\s*", self.text), *([self.rest] if self.rest else [])])


@dataclass(frozen=True)
class _Turn:
    """One question with what was found for it: likely types, records that it names, passages best first, and all."""

    question: Question
    text: str
    language: Language
    labels: Mapping[str, float]
    types: Mapping[str, float]
    named: tuple[_Source, ...]
    hits: tuple[Hit, ...]
    sources: tuple[_Source, ...]
    read: str
    """What was read to find them: a question that says too little together with the one before it."""
    likeness: np.ndarray | None = None
    """How near each passage of the language lies by meaning, (passages,)."""


@dataclass(frozen=True)
class _Page:
    """A prompt and what its keys and slots stand for; `allowed` are the slots that each key's answer may use."""

    prompt: str
    sources: tuple[_Source, ...]
    slots: Slots
    allowed: Mapping[int | None, Collection[int]]


@dataclass(frozen=True)
class Known:
    """What was learned of questions: the router, and what stands beside it where the encoder is installed."""

    router: Router | None = None
    meaning: Meaning | None = None
    judge: Judge | None = None

    @classmethod
    def load(cls, shop: Shop, home: Path, folder: Path, threads: int) -> Self:
        """From the shop's own folder `home` if it has been taught types, else from the checkpoint's.

        threads: of the encoder; 0 for none. Raises RouterError and JudgeError.
        """
        place = next((some for some in (home, folder) if (some / ROUTER).exists()), None)
        if place is None:
            return cls()
        router = Router.load(place)
        assert router
        encoder = open_encoder(threads) if threads else None
        if encoder is None:
            return cls(router)
        judge = Judge.load(place) or Judge.load(shipped())
        passages: dict[Language, list[Passage]] = {
            language: [passage for passage in shop.passages if passage.language == language]
            for language in _LANGUAGES
        }
        meant = MeaningRouter.load(place, encoder)
        return cls(router, Meaning(encoder, meant, passages, home / VECTORS), judge)


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
        self._router = router
        self._meaning = meaning
        self._judge = judge if meaning else None
        _check_labels(shop, router)
        self.knowledge = Knowledge(shop.passages)
        self._places = {
            (language, passage.id): place
            for language in _LANGUAGES
            for place, passage in enumerate(self.knowledge.passages(language))
        }
        self._aspects = _aspects(shop.passages, router) if router else {}
        self.catalogue = Catalogue(shop)
        self._behaviour = behaviour
        self._behaviour_at = _written_at(behaviour)
        self.suggester = Suggester.load(shop, self.catalogue, behaviour)
        self._suggest_together = Together(lambda requests: self.suggester.suggest_many(requests))
        self._voice = voice
        self._titles = [title for product in shop.products for title in product.titles()]

    @classmethod
    def load(
        cls,
        model: str = "builtin",
        shop: Path | None = None,
        device: str = "auto",
        slots: int = 32,
        threads: int = 1,
        precision: str = "auto",
        answer_tokens: int = LONGEST_ANSWER,
        model_name: str = "",
        model_key: str = "",
        meaning: bool = True,
    ) -> Self:
        """Make an assistant from settings.

        model: "builtin" for the checkpoint that ships, "passages" to answer without a model, a checkpoint's folder,
        any causal language model of transformers (id, folder, .gguf file), or the address of an OpenAI-compatible
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

            decoder = open_transformers(model, device, slots, threads, precision)
            voice = GeneralVoice(decoder, answer_tokens)
        else:
            try:
                voice = NativeVoice(NativeDecoder(load(folder, device), slots, threads, precision))
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
        going, rest = self._going_with(question, text, language)
        answers = []
        for turn in await self._turns(question, rest, language, orders):
            try:
                answers.append(await self._say(turn, None if answers else on_text))
            except EngineError:  # the model could not end its answer; the shop's own words can
                answers.append(self._by_retrieval(turn))
        return _joined([*answers, *going])

    async def _turns(
        self, question: Question, text: str, language: Language, orders: Sequence[Order]
    ) -> list[_Turn]:
        """What is known of each question of a message.

        With an encoder in a thread: it takes 35 ms for each text that it reads, and everybody's answers are written on the
        event loop. Whoever asks for the same afterwards finds it remembered.
        """

        def look_up() -> list[_Turn]:
            parts = self._questions_in(text) if text else []
            turns = [self._look_up(question, part, language, orders) for part in parts]
            if self._meaning:
                records = {source.id: source for turn in turns for source in turn.sources}
                self._meaning.read([_told(some) for some in records.values() if some.kind == "product"])
            return turns

        return await asyncio.to_thread(look_up) if self._meaning else look_up()

    def _questions_in(self, text: str) -> list[str]:
        """The questions of a message: more than one only where each is surely of another kind, else the whole."""
        parts = _parts(text)
        if not self._router or not parts:
            return [text]
        found: dict[str, str] = {}
        for part in parts:
            labels, _ = self._labels(part)
            (name, first), (_, second), *_ = sorted(by_type(labels).items(), key=lambda pair: -pair[1])
            if name in _NO_QUESTION or first < max(SURE_PART, 2 * second) or not _ASKS.search(part):
                continue
            label = max(labels, key=labels.__getitem__)
            found.setdefault("order" if name in ORDER_TYPES | {"delivery_tracking"} else label, part)
        return list(found.values())[:2] if len(found) > 1 else [text]

    def _going_with(self, question: Question, text: str, language: Language) -> tuple[list[Answer], str]:
        """What goes with a product, if a part of a message asks that, and the rest of the message.

        The product is the one named, or, for "this", the one just spoken of or looked at, else the one whose words fit.
        """
        parts = _parts(text) or [text]
        asking = next((part for part in parts if _GOES_WITH.search(part)), None)
        if asking is None:
            return [], text
        named = [product.id for product in self.shop.find_products(asking, language)]
        if _THIS.search(asking):
            spoken_of = [past.source_id.partition(":")[2] for past in question.history[-1:]]
            seen = [event.product_id for event in reversed(question.events) if event.action in _REASON_OF]
            found = [*spoken_of, *seen]
        else:
            found = [product.id for product in self.catalogue.search(asking, language, 1)]
        about = next((it for some in (*named, *found) if (it := self.shop.product(some))), None)
        if about is None:
            return [], text
        request = self._request(
            "", language, question.customer_id, question.shown, seen=(about.id,), events=question.events
        )
        reason = phrase(language, "reason_goes_with", title=about.title(language))
        products = tuple(self._card(one.product, language, reason) for one in self.suggester.suggest(request))
        said = phrase(language, "suggest" if products else "suggest_none")
        answer = Answer("answer", said, "suggest", 1.0, products=products)
        return [answer], "\n".join(part for part in parts if part is not asking)

    def find(self, question: Question, k: int = 3) -> list[str]:
        """The ids of the passages that fit a question best, by the router and retrieval together; best first."""
        text = question.text.strip()[:MAX_READ]
        language = language_of(text, question.language)
        turn = self._look_up(question, text, language, ())
        if not turn.labels:
            return [hit.passage.id for hit in turn.hits[:k]]
        odds = {
            passage.id: turn.types.get(passage.topic, 0.0) * self._fit(turn, passage)
            for passage in self.knowledge.passages(language)
        }
        return sorted(odds, key=odds.__getitem__, reverse=True)[:k]

    async def suggest(
        self,
        wish: str,
        language: Language,
        customer_id: int,
        shown: Sequence[tuple[str, float]] = (),
        k: int = SUGGESTIONS,
        seen: Sequence[str] = (),
        events: Sequence[CustomerEvent] = (),
        about: str = "",
        cheaper: bool = False,
    ) -> tuple[SuggestedProduct, ...]:
        """Products in stock: what fits the wish and the customer, else what the customer likely wants next, else popular.

        None of those `seen`, bought before or lately `shown` in this chat (id, seconds), none that the customer does
        not want (`events`). `about`: like that product, with `cheaper` for less than it costs.
        """
        request = self._request(wish, language, customer_id, shown, k, seen, events, about, cheaper)
        return self._cards(request, await self._suggest_together(request))

    async def why(
        self, product_id: str, language: Language, customer_id: int, events: Sequence[CustomerEvent] = ()
    ) -> str:
        """Which of the customer's own actions led to a suggestion, as text; empty for an unknown product."""
        product = self.shop.product(product_id)
        if product is None:
            return ""
        request = Request(language, events=tuple(events), orders=tuple(self.shop.orders_of(customer_id)))
        reasons = self.suggester.why(product_id, request)
        title = product.title(language)
        if not reasons:
            return phrase(language, "why_nothing", title=title)
        lines = [
            phrase(language, f"why_{_ACTION_NAMES[event.action]}", title=other.title(language))
            for event in reasons
            if event.action in _ACTION_NAMES and (other := self.shop.product(event.product_id))
        ]
        if not lines:
            return phrase(language, "why_nothing", title=title)
        return "\n".join([phrase(language, "why_because", title=title), *(f"– {line}" for line in lines)])

    async def first_steps(
        self, language: Language, customer_id: int, events: Sequence[CustomerEvent] = ()
    ) -> FirstSteps:
        """What a newcomer is asked: categories until one is chosen, then six well-spread products to judge.

        Nothing for somebody whose orders or events say enough.
        """
        chosen = [event.product_id for event in events if event.action == "category"]
        judged = [event for event in events if event.action != "category"]
        if judged or self.shop.orders_of(customer_id):
            return FirstSteps()
        if not chosen:
            stocked = dict.fromkeys(product.category for product in self.shop.products if product.in_stock)
            return FirstSteps(tuple((name, self.shop.category_name(name, language)) for name in stocked))
        products = self.suggester.spread(chosen, FIRST_PRODUCTS)
        return FirstSteps(products=tuple(self._card(product, language) for product in products))

    @property
    def has_newer_recommender(self) -> bool:
        """Whether another checkpoint of the recommender has been written than the one in use."""
        return self._behaviour is not None and _written_at(self._behaviour) not in (None, self._behaviour_at)

    def renew_recommender(self) -> None:
        """Take over the checkpoint that lies in the recommender's folder now. Suggestions go on meanwhile.

        Raises RecommenderError, and keeps the one in use, if it is damaged or still being written.
        """
        at = _written_at(self._behaviour)
        self.suggester = Suggester.load(self.shop, self.catalogue, self._behaviour)
        self._behaviour_at = at

    @property
    def steps(self) -> int:
        """Grows while the engine advances: what a watchdog looks at."""
        return self._voice.steps

    def figures(self) -> dict[str, float]:
        """What the voice's engine counts, for monitoring."""
        return self._voice.figures()

    def forget(self, chat: str) -> None:
        """Keep nothing that was computed for a chat, named as in `Question.chat`. Called on the engine's loop."""
        self._voice.forget(chat)
        if self._meaning:
            self._meaning.encoder.forget()

    async def close(self) -> None:
        """Free the voice's engine."""
        await self._voice.close()

    # --- finding ------------------------------------------------------------------------------------------

    def _look_up(self, question: Question, text: str, language: Language, orders: Sequence[Order]) -> _Turn:
        """Records first, named ones before those that must be meant; then the passages that retrieval finds."""
        last = question.history[-1] if question.history else None
        sources = [self._order_source(order, language) for order in orders[:MAX_RECORDS]]
        products = self.shop.find_products(text, language) or self.shop.find_products(question.text, language)
        products = products[:MAX_RECORDS]
        sources += [self._product_source(product, language) for product in products]
        named = tuple(sources)
        if not sources and last and (source := self._source_by_id(last.source_id, question, language)):
            sources.append(source)
        if not any(source.kind == "order" for source in sources) and (order := self._only_order(question)):
            sources.append(self._order_source(order, language))
        labels, read = self._labels(text, last)
        query = f"{last.customer} {text}" if last and _goes_on(text) else read
        likeness = self._meaning.likeness(self._asked(read), language) if self._meaning else None
        hits = tuple(self.knowledge.search(query, language, PASSAGES, likeness))
        known = {source.id for source in sources}
        sources += [_passage_source(hit.passage) for hit in hits if hit.passage.id not in known]
        types = by_type(labels)
        return _Turn(question, text, language, labels, types, named, hits, tuple(sources), read, likeness)

    def _labels(self, text: str, last: PastTurn | None = None) -> tuple[Mapping[str, float], str]:
        """The routers' opinion and what they read: a question that says too little together with the one before it."""
        if not self._router:
            return {}, text
        labels = self._opinion(text)
        goes_on = last is not None and _goes_on(text)
        if last and (goes_on or len(_units(text)) <= FOLLOW_UP_UNITS):
            types = by_type(labels)
            name = max(types, key=types.__getitem__)
            nameless = name in ORDER_TYPES | PRODUCT_TYPES and last.question_type != name
            if goes_on or nameless or types[name] < ALONE or name == "other":
                read = f"{last.customer} {text}"
                together = {
                    label: odds
                    * labels[label] ** ITSELF
                    * (SAME_MATTER if type_of(label) == last.question_type else 1.0)
                    for label, odds in self._opinion(read).items()
                }
                total = sum(together.values())
                return {label: odds / total for label, odds in together.items()}, read
        return labels, text

    def _opinion(self, text: str) -> dict[str, float]:
        """What n-grams and meaning say of a question alone: the probability of each label."""
        assert self._router
        text = self._asked(text)
        ngrams = self._router.probabilities(text)
        meant = self._meaning.opinion(text) if self._meaning else {}
        if not meant:
            return ngrams
        types = by_type(ngrams)  # where one has aspects that the other has not, the type speaks for them
        logs = {
            label: NGRAMS_TRUST * math.log(max(ngrams.get(label, types.get(type_of(label), 0.0)), _LEAST))
            + MEANING_TRUST * math.log(max(odds, _LEAST))
            for label, odds in meant.items()
        }
        highest = max(logs.values())
        odds_of = {label: math.exp(log - highest) for label, log in logs.items()}
        total = sum(odds_of.values())
        return {label: odds / total for label, odds in odds_of.items()}

    def _asked(self, text: str) -> str:
        """A question as the classifiers read it: without the titles of products."""
        return self.shop.without_titles(text, PRODUCT)

    def _only_order(self, question: Question) -> Order | None:
        """The order that "my order" must mean: the customer's only one, or the only one still under way."""
        orders = self.shop.orders_of(question.customer_id)
        under_way = [order for order in orders if order.is_under_way]
        return next((some[0] for some in (orders, under_way) if len(some) == 1), None)

    def _source_by_id(self, source_id: str, question: Question, language: Language) -> _Source | None:
        kind, _, name = source_id.partition(":")
        if kind == "order" and (order := self.shop.order(name, question.customer_id)):
            return self._order_source(order, language)
        if kind == "product" and (product := self.shop.product(name)):
            return self._product_source(product, language)
        passage = self.knowledge.passage(source_id, language)
        return _passage_source(passage) if passage else None

    def _order_source(self, order: Order, language: Language) -> _Source:
        text = self.shop.order_record_text(order, language)
        return _Source(f"order:{order.id}", "order", "order_status", order.id, text)

    def _product_source(self, product: Product, language: Language) -> _Source:
        text = self.shop.product_record_text(product, language)
        rest = sentences_of(product.description(language))[1:]
        joined = ("" if language == "zh" else " ").join(rest)
        return _Source(
            f"product:{product.id}", "product", "product_info", product.title(language), text, joined
        )

    # --- writing ------------------------------------------------------------------------------------------

    async def _say(self, turn: _Turn, on_text: OnText | None) -> Answer:
        if isinstance(self._voice, GeneralVoice):
            return await self._tell(self._voice, turn, on_text)
        return await self._write(self._voice, turn, on_text)

    async def _tell(self, voice: GeneralVoice, turn: _Turn, on_text: OnText | None) -> Answer:
        """Code names type and source, a general model says it, code checks it; the source itself is the floor.

        What a customer sees growing has passed the check too: sentence by sentence, and it stops at the first that
        does not pass.
        """
        ranking = tuple(sorted(turn.types.items(), key=lambda item: -item[1]))
        name, probability = ranking[0] if ranking else ("other", 0.0)
        decision = Decision(name, probability, None, 1.0, ranking)
        decision, verdict = self._verdict(turn, turn.sources, decision, None)
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

    def _is_supported(self, source: _Source, text: str) -> bool:
        return not unsupported(text, [source.title, source.text], self._titles)

    async def _write(self, voice: Voice, turn: _Turn, on_text: OnText | None) -> Answer:
        """Let the voice decide and write; where code knows the source better, ask again with that one alone."""
        name = max(turn.types, key=turn.types.__getitem__, default="other")
        if name not in QUESTION_TYPES:  # the shop's own, of which the voice knows nothing
            passage = self._best_passage(turn, name)
            sure = turn.types[name] >= TYPE_CONFIDENCE
            if self._judge:
                sure = self._answerable(turn, name) >= self._judge.threshold
            if passage and sure:
                return Answer("passage", passage.text, name, turn.types[name], passage.id, passage.title)
            return self._by_retrieval(turn, turn.types[name])
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
            decision, verdict = self._verdict(turn, page.sources, decision, chosen)
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

    def _page(self, voice: Voice, turn: _Turn, sources: Sequence[_Source]) -> _Page:
        """The prompt, with as many of the sources as it has room for, the likeliest first; then with less to ask."""
        for count in range(len(sources), 0, -1):
            page = _render(turn, tuple(sources[:count]), MAX_QUESTION)
            if voice.fits(page.prompt):
                return page
        length = MAX_QUESTION // 4
        while not voice.fits((page := _render(turn, (), length)).prompt):
            length //= 2
        return page

    def _verdict(
        self, turn: _Turn, sources: Sequence[_Source], decision: Decision, chosen: _Source | None
    ) -> tuple[Decision, Answer | _Source]:
        """The source that must be answered from, or an answer by code where the model has nothing to say.

        With the decision that holds: a judge may overrule a type that no source answers, and says how sure it is.
        """
        name, language, probability = decision.question_type, turn.language, decision.type_probability
        if probability >= TYPE_CONFIDENCE:
            if name in SMALL_TALK_TYPES:
                return decision, Answer("smalltalk", phrase(language, name), name, probability)
            if name == "human":
                text = _paragraphs(phrase(language, "human"), self._contact(language))
                return decision, Answer("handover", text, name, probability)
            if name == "suggest":
                return decision, self._suggestions(turn, probability)
        if self._judge:
            return self._if_answerable(turn, sources, decision, chosen)
        if probability < TYPE_CONFIDENCE:
            return decision, self._by_retrieval(turn, probability)
        if name == "other":
            if turn.named and turn.named[0].kind == "order":  # whoever names an order wants to know of it
                return decision, self._by_retrieval(replace(turn, hits=()), probability)
            return decision, self._unknown(turn, probability)
        return decision, self._source_for(turn, sources, decision, chosen)

    def _if_answerable(
        self, turn: _Turn, sources: Sequence[_Source], decision: Decision, chosen: _Source | None
    ) -> tuple[Decision, Answer | _Source]:
        """The source of the likeliest type that has one, if the judge holds that it answers the question."""
        name = decision.question_type
        if name in NO_SOURCE:
            name, chosen = _likeliest(turn.types), None
        is_record = name in RECORD_TYPES
        probability = turn.types[name] if is_record else self._answerable(turn, name)
        decision = Decision(
            name, probability, decision.key if chosen else None, decision.key_probability, decision.ranking
        )
        assert self._judge
        if probability >= (TYPE_CONFIDENCE if is_record else self._judge.threshold):
            return decision, self._source_for(turn, sources, decision, chosen)
        if turn.named and turn.named[0].kind == "order":  # whoever names an order wants to know of it
            return decision, self._by_retrieval(replace(turn, hits=()), probability)
        return decision, self._unknown(turn, probability)

    def _source_for(
        self, turn: _Turn, sources: Sequence[_Source], decision: Decision, chosen: _Source | None
    ) -> Answer | _Source:
        """The record or passage that a question of this type is answered from; a question back if that is open."""
        name = decision.question_type
        for kind, types in (("order", ORDER_TYPES), ("product", PRODUCT_TYPES)):
            if name in types:
                records = [source for source in sources if source.kind == kind]
                if kind == "product" and (passage := self._beside_records(turn, name)):
                    return passage
                if name in ORDER_MATTERS and len(records) == 1:
                    return self._order_matter(turn, decision, records[0])
                if chosen and chosen in records:
                    return chosen
                return records[0] if len(records) == 1 else self._ask_back(turn, decision, kind)
        return self._best_passage(turn, name) or self._by_retrieval(turn, decision.type_probability)

    def evidence(self, question: Question) -> Evidence:
        """What speaks for answering a question, for the judge to learn from: the likeliest type that has a source,
        that source's id ("" for a question back), and the signs."""
        text = question.text.strip()[:MAX_READ]
        turn = self._look_up(question, text, language_of(text, question.language), ())
        name = _likeliest(turn.types)
        source = self._source_at_hand(turn, name)
        return Evidence(name, source.id if source else "", self._signs(turn, name, source))

    def _answerable(self, turn: _Turn, name: str) -> float:
        assert self._judge
        return self._judge.probability(self._signs(turn, name, self._source_at_hand(turn, name)))

    def _source_at_hand(self, turn: _Turn, name: str) -> _Source | None:
        """The source of a type as far as code can tell: a product that is named, an order that must be meant."""
        if name in PRODUCT_TYPES | ORDER_TYPES:
            kind = "product" if name in PRODUCT_TYPES else "order"
            if kind == "product" and (passage := self._beside_records(turn, name)):
                return passage
            return next((source for source in turn.sources if source.kind == kind), None)
        return self._best_passage(turn, name)

    def _signs(self, turn: _Turn, name: str, source: _Source | None) -> dict[str, float]:
        """What the judge goes by; see `model.answerable`."""
        assert self._meaning and turn.likeness is not None
        asked = self._asked(turn.read)
        meant = by_type(self._meaning.opinion(asked)) or turn.types
        attribute = turn.labels.get(ATTRIBUTE, 0.0) if name in PRODUCT_TYPES else 0.0
        mean = float(turn.likeness.mean()) if len(turn.likeness) else 0.0
        best = float(turn.likeness.max()) if len(turn.likeness) else 0.0
        share, near = 0.0, mean
        if source and source.kind == "passage":
            passage = self.knowledge.passage(source.id, turn.language)
            assert passage
            share = self.knowledge.share(asked, passage)
            near = float(turn.likeness[self._places[turn.language, source.id]])
        elif source:
            share = covered_share(asked, f"{source.text} {source.rest}")
            if source.kind == "product":
                near = self._meaning.likeness_to(asked, _told(source))
        is_passage = float(source is not None and source.kind == "passage")
        return {
            "type": logit(turn.types.get(name, 0.0)),
            "lead": _lead(turn.types, name),
            "other": logit(turn.types.get("other", 0.0)),
            "meant": logit(meant.get(name, 0.0)),
            "meant lead": _lead(meant, name),
            "meant other": logit(meant.get("other", 0.0)),
            "passage": is_passage,
            "passage covers": is_passage * share,
            "passage near": is_passage * (near - mean) * _COSINES,
            "behind the nearest": is_passage * (near - best) * _COSINES,
            "nearest": (best - mean) * _COSINES,
            "attribute": attribute,
            "attribute covered": attribute * share,
            "attribute near": attribute * (near - mean) * _COSINES,
            "no source": float(source is None),
            "chinese": float(turn.language == "zh"),
            "length": math.log1p(len(_units(turn.read))),
        }

    def _beside_records(self, turn: _Turn, name: str) -> _Source | None:
        """The passage of a product type, if one is asked for and no product: "when do sold-out things come back"."""
        asked = {label: odds for label, odds in turn.labels.items() if type_of(label) == name}
        if len(asked) < 2 or max(asked, key=asked.__getitem__).endswith(("/record", "/attribute")):
            return None
        if any(source.kind == "product" for source in turn.sources):
            return None
        return self._best_passage(turn, name)

    def _best_passage(self, turn: _Turn, topic: str) -> _Source | None:
        """The passage of a topic that is asked for."""
        found = [hit.passage for hit in turn.hits if hit.passage.topic == topic]
        found += self.knowledge.by_topic(topic, turn.language)
        return _passage_source(max(found, key=lambda passage: self._fit(turn, passage))) if found else None

    def _fit(self, turn: _Turn, passage: Passage) -> float:
        """How well a passage fits within its topic: by aspect, as the router sees both, and by retrieval."""
        match = self._aspect(turn, passage)
        share = next((hit.share for hit in turn.hits if hit.passage.id == passage.id), 0.0)
        fit = match + RETRIEVAL_TRUST * share
        if turn.likeness is None:
            return fit
        return (fit + _LEAST_FIT) * math.exp(LIKENESS_TRUST * self._nearness(turn, passage))

    def _aspect(self, turn: _Turn, passage: Passage) -> float:
        """How much of what is asked of a passage's topic is asked of this passage, as the router sees both."""
        asked = {label: odds for label, odds in turn.labels.items() if type_of(label) == passage.topic}
        told = self._aspects.get(passage.id, {})
        return sum(odds * told.get(label, 0.0) for label, odds in asked.items()) / (
            sum(asked.values()) or 1.0
        )

    def _nearness(self, turn: _Turn, passage: Passage) -> float:
        """The cosine of question and passage, less that of the nearest passage."""
        assert turn.likeness is not None
        return float(turn.likeness[self._places[passage.language, passage.id]] - turn.likeness.max())

    def _checked(self, turn: _Turn, source: _Source, decision: Decision, text: str) -> Answer:
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

    # --- answering by code --------------------------------------------------------------------------------

    def _by_retrieval(self, turn: _Turn, confidence: float = 0.0) -> Answer:
        """The best passage if retrieval is sure of it, the record that the question names, or an honest refusal."""
        best = turn.hits[0] if turn.hits else None
        if best and best.is_sure and turn.types.get(best.passage.topic, 1.0) >= POSSIBLE:
            source = _passage_source(best.passage)
            return Answer("passage", source.text, source.topic, confidence, source.id, source.title)
        if turn.named:
            source = turn.named[0]
            return Answer("passage", source.shown(turn.language), source.topic, confidence, source.id)
        return self._unknown(turn, confidence)

    def _unknown(self, turn: _Turn, confidence: float) -> Answer:
        """A refusal, unless the question is a wish that no router has learned, for which there are products."""
        if self._is_wish(turn):
            found = self._suggestions(turn, turn.types["suggest"])
            if found.products:
                return found
        text = _paragraphs(phrase(turn.language, "unknown"), self._contact(turn.language))
        return Answer("unknown", text, "other", confidence)

    def _is_wish(self, turn: _Turn) -> bool:
        """Whether a question that nothing answers asks for things that the catalogue has; never one on a named record."""
        if turn.named or turn.types.get("suggest", 0.0) < POSSIBLE_WISH:
            return False
        if sum(turn.types.get(name, 0.0) for name in ORDER_TYPES) > turn.types["suggest"]:
            return False
        return asks_for_things(turn.text) and bool(self.catalogue.subjects(turn.text, turn.language))

    def _suggestions(self, turn: _Turn, confidence: float) -> Answer:
        """What `/suggest` with the same words gives."""
        asked = turn.question
        request = self._request(turn.text, turn.language, asked.customer_id, asked.shown, events=asked.events)
        products = self._cards(request, self.suggester.suggest(request))
        text = phrase(turn.language, "suggest" if products else "suggest_none")
        return Answer("answer", text, "suggest", confidence, products=products)

    def _contact(self, language: Language) -> str:
        passages = self.knowledge.by_topic("human", language) or self.knowledge.by_topic("contact", language)
        return passages[0].text if passages else ""

    def _ask_back(self, turn: _Turn, decision: Decision, kind: str) -> Answer:
        """Which order, or which product? Without any order, the passage on the matter."""
        name, language = decision.question_type, turn.language
        if kind == "product":
            found = self.catalogue.search(turn.text, language, SUGGESTIONS)
            cards = tuple(self._card(product, language) for product in found)
            return Answer("clarify", phrase(language, "which_product"), name, products=cards)
        orders = self.shop.orders_of(turn.question.customer_id)
        if orders:
            lines = [_order_line(order, language) for order in orders[:MAX_LISTED]]
            return Answer("clarify", "\n".join([phrase(language, "which_order"), *lines]), name)
        if source := self._best_passage(turn, name):
            probability = decision.type_probability
            return Answer("passage", source.text, name, probability, source.id, source.title)
        return Answer("clarify", phrase(language, "no_orders"), name)

    def _order_matter(self, turn: _Turn, decision: Decision, record: _Source) -> Answer:
        """What can still be done with an order is the shop's rule, so the order's state stands beside the passage."""
        rule = self._best_passage(turn, decision.question_type)
        text = _paragraphs(record.shown(turn.language), rule.text if rule else "")
        title = rule.title if rule else ""
        return Answer("passage", text, decision.question_type, decision.type_probability, record.id, title)

    def _request(
        self,
        wish: str,
        language: Language,
        customer_id: int,
        shown: Sequence[tuple[str, float]] = (),
        k: int = SUGGESTIONS,
        seen: Sequence[str] = (),
        events: Sequence[CustomerEvent] = (),
        about: str = "",
        cheaper: bool = False,
    ) -> Request:
        wish = wish.strip()[:MAX_READ]
        now = time.time()
        views = tuple(CustomerEvent(product_id, "view", now - len(seen)) for product_id in seen)
        return Request(
            language_of(wish, language) if wish else language,
            wish,
            (*views, *events),
            tuple(self.shop.orders_of(customer_id)),
            tuple(shown),
            about=about,
            cheaper=cheaper,
            k=k,
            now=now,
        )

    def _cards(self, request: Request, found: Sequence[Suggestion]) -> tuple[SuggestedProduct, ...]:
        return tuple(
            self._card(suggestion.product, request.language, self._reason(suggestion, request))
            for suggestion in found
        )

    def _reason(self, suggestion: Suggestion, request: Request) -> str:
        """Why, in one line made of the customer's own event or wish and the record: nothing that is not so."""
        language = request.language
        if request.about and (other := self.shop.product(request.about)):
            name = "reason_cheaper" if request.cheaper else "reason_similar"
            return phrase(language, name, title=other.title(language))
        if request.wish:
            return ""
        event = suggestion.because
        if event and (other := self.shop.product(event.product_id)):
            return phrase(language, _REASON_OF[event.action], title=other.title(language))
        return phrase(language, "reason_popular")

    def _card(self, product: Product, language: Language, reason: str = "") -> SuggestedProduct:
        return SuggestedProduct(
            product.id,
            product.title(language),
            product.description(language),
            product.price_text(language),
            product.in_stock,
            reason,
            self.shop.category_name(product.category, language),
        )


def _written_at(behaviour: Path | None) -> int | None:
    """When the checkpoint in a folder was completed, None if there is none."""
    try:
        return (behaviour / "config.json").stat().st_mtime_ns if behaviour else None
    except OSError:
        return None


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


def _check_labels(shop: Shop, router: Router | None) -> None:
    """Raises ShopError if the shop teaches types that the router has not learned."""
    known = set(router.labels) if router else None
    for asks in shop.questions.values():
        if known is not None and (missing := [label for label in asks if label not in known]):
            raise ShopError(
                [
                    f"the shop's questions teach {missing[0]!r}, which no router has learned yet;"
                    " run `kefu train types --shop FOLDER` with the shop's folder"
                ]
            )


def _aspects(passages: Iterable[Passage], router: Router) -> dict[str, dict[str, float]]:
    """What each passage is about: the odds of its topic's aspects, as the router reads the passage itself.

    The router knows how customers ask; a passage that answers speaks of the same things. Both languages are read.
    """
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for passage in passages:
        labels = router.probabilities(f"{passage.title} {passage.text}")
        about = {label: odds for label, odds in labels.items() if type_of(label) == passage.topic}
        total = sum(about.values()) or 1.0
        for label, odds in about.items():
            found[passage.id][label] += odds / total
    return {
        name: {label: odds / sum(about.values()) for label, odds in about.items()}
        for name, about in found.items()
    }


def _likeliest(types: Mapping[str, float]) -> str:
    """The likeliest type of those that are answered from a source."""
    return max((name for name in types if name not in NO_SOURCE), key=types.__getitem__)


def _lead(types: Mapping[str, float], name: str) -> float:
    """How far a type is ahead of the likeliest other one, in log-odds within ±6."""
    others = max((odds for kind, odds in types.items() if kind != name), default=0.0)
    return max(-6.0, min(6.0, math.log((types.get(name, 0.0) + _LEAST) / (others + _LEAST))))


def _told(product: _Source) -> str:
    """What a product's record tells in sentences."""
    return f"{product.text} {product.rest}".strip()


def _joined(answers: Sequence[Answer]) -> Answer:
    """One answer to all questions of a message. What could not be answered is said only if nothing could."""
    known = [answer for answer in answers if answer.kind != "unknown"]
    if len(known) < 2 or known[0].text == known[1].text:
        return known[0] if known else answers[0]
    first = known[0]
    return replace(
        first,
        text=_paragraphs(*(answer.text for answer in known)),
        confidence=min(answer.confidence for answer in known),
        source_title=" · ".join(
            dict.fromkeys(answer.source_title for answer in known if answer.source_title)
        ),
        products=tuple(product for answer in known for product in answer.products),
    )


def _parts(text: str) -> list[str]:
    """The parts of a message that may be questions of their own; none if it has but one, or too many to be looked at."""
    parts = [part for part in _BETWEEN_QUESTIONS.split(text) if part and len(_units(part)) >= SHORTEST]
    return parts if 1 < len(parts) <= MOST_PARTS else []


def _goes_on(text: str) -> bool:
    """Whether a question is put as one that goes on with the one before: "and to Spain?", "那法国呢？"."""
    return bool(_FOLLOW_UP.match(text) or _FOLLOW_UP_END.search(text)) and len(_units(text)) <= GOES_ON_UNITS


def _units(text: str) -> list[str]:
    """Words and single Chinese characters."""
    return _UNIT.findall(text)


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


def _render(turn: _Turn, sources: tuple[_Source, ...], question: int) -> _Page:
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


def _topic(source: _Source) -> str:
    """A source's topic as the voice knows it: what a shop taught itself is "other" to it."""
    return source.topic if source.topic in QUESTION_TYPES else "other"


def _slot_numbers(fact: Fact) -> frozenset[int]:
    return frozenset(int(number) for number in SLOT.findall(f"{fact.title} {fact.text}"))


def _passage_source(passage: Passage) -> _Source:
    return _Source(passage.id, "passage", passage.topic, passage.title, passage.text)


def _order_line(order: Order, language: Language) -> str:
    return f"{order.id} · {date_text(order.placed, language)} · {STATUS_NAMES[language][order.status]}"


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
