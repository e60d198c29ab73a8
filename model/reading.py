"""Reads a question: which types it may be of, which records it names, which passages fit.

The router's n-grams, meaning (where the encoder is installed) and retrieval have their say here, and what was said
before is taken into account. Nothing is decided: that is `model.choosing`.
"""

import asyncio
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np

from model.answerable import Judge
from model.checkpoint import shipped
from model.data.asks import type_of
from model.encoder import VECTORS, open_encoder
from model.knowledge import Hit, Knowledge, Passage
from model.language import language_of
from model.literal import sentences_of
from model.meaning import Meaning, MeaningRouter
from model.phrases import phrase
from model.prompt import ORDER_TYPES, PRODUCT_TYPES, SMALL_TALK_TYPES
from model.router import FILE as ROUTER
from model.router import PRODUCT, Router, by_type
from model.shop import Order, Product, Shop, ShopError
from model.types import Language, PastTurn, Question

PASSAGES = 4
"""Passages put before the model; more cost time and hide the right one."""

MAX_RECORDS = 2
"""Orders and products put before the model, of each kind."""

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

MAX_READ = 4096
"""Characters of a question that retrieval reads: one message's worth, however many were sent together."""

_LEAST = 1e-6

_LEAST_FIT = 0.05

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

_FOLLOW_UP = re.compile(r"^\s*((and|what about|how about|also|or)\b|那|还有|如果|要是|换成)", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
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
class Turn:
    """One question with what was found for it: likely types, records that it names, passages best first, and all."""

    question: Question
    text: str
    language: Language
    labels: Mapping[str, float]
    types: Mapping[str, float]
    named: tuple[Source, ...]
    hits: tuple[Hit, ...]
    sources: tuple[Source, ...]
    read: str
    """What was read to find them: a question that says too little together with the one before it."""
    likeness: np.ndarray | None = None
    """How near each passage of the language lies by meaning, (passages,)."""


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


class Reader:
    """What is known of a shop's questions, passages and records."""

    def __init__(self, shop: Shop, router: Router | None = None, meaning: Meaning | None = None) -> None:
        """`meaning` must be of the same shop and, if it has a router, of the same labels."""
        self.shop = shop
        self._router = router
        self.meaning = meaning
        _check_labels(shop, router)
        self.knowledge = Knowledge(shop.passages)
        self.places = {
            (language, passage.id): place
            for language in _LANGUAGES
            for place, passage in enumerate(self.knowledge.passages(language))
        }
        """Where a passage stands among those of its language."""
        self._aspects = _aspects(shop.passages, router) if router else {}

    async def turns(
        self, question: Question, text: str, language: Language, orders: Sequence[Order]
    ) -> list[Turn]:
        """What is known of each question of a message.

        With an encoder in a thread: it takes 35 ms for each text that it reads, and everybody's answers are written on the
        event loop. Whoever asks for the same afterwards finds it remembered.
        """

        def look_up() -> list[Turn]:
            parts = self._questions_in(text) if text else []
            turns = [self.look_up(question, part, language, orders) for part in parts]
            if self.meaning:
                records = {source.id: source for turn in turns for source in turn.sources}
                self.meaning.read([told_of(some) for some in records.values() if some.kind == "product"])
            return turns

        return await asyncio.to_thread(look_up) if self.meaning else look_up()

    def _questions_in(self, text: str) -> list[str]:
        """The questions of a message: more than one only where each is surely of another kind, else the whole."""
        parts = parts_of(text)
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

    def find(self, question: Question, k: int = 3) -> list[str]:
        """The ids of the passages that fit a question best, by the router and retrieval together; best first."""
        text = question.text.strip()[:MAX_READ]
        language = language_of(text, question.language)
        turn = self.look_up(question, text, language, ())
        if not turn.labels:
            return [hit.passage.id for hit in turn.hits[:k]]
        odds = {
            passage.id: turn.types.get(passage.topic, 0.0) * self.fit(turn, passage)
            for passage in self.knowledge.passages(language)
        }
        return sorted(odds, key=odds.__getitem__, reverse=True)[:k]

    def look_up(self, question: Question, text: str, language: Language, orders: Sequence[Order]) -> Turn:
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
        query = f"{last.customer} {text}" if last and continues(text) else read
        likeness = self.meaning.likeness(self.asked(read), language) if self.meaning else None
        hits = tuple(self.knowledge.search(query, language, PASSAGES, likeness))
        known = {source.id for source in sources}
        sources += [passage_source(hit.passage) for hit in hits if hit.passage.id not in known]
        types = by_type(labels)
        return Turn(question, text, language, labels, types, named, hits, tuple(sources), read, likeness)

    def _labels(self, text: str, last: PastTurn | None = None) -> tuple[Mapping[str, float], str]:
        """The routers' opinion and what they read: a question that says too little together with the one before it."""
        if not self._router:
            return {}, text
        labels = self._opinion(text)
        goes_on = last is not None and continues(text)
        if last and (goes_on or len(units_of(text)) <= FOLLOW_UP_UNITS):
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
        text = self.asked(text)
        ngrams = self._router.probabilities(text)
        meant = self.meaning.opinion(text) if self.meaning else {}
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

    def asked(self, text: str) -> str:
        """A question as the classifiers read it: without the titles of products."""
        return self.shop.without_titles(text, PRODUCT)

    def _only_order(self, question: Question) -> Order | None:
        """The order that "my order" must mean: the customer's only one, or the only one still under way."""
        orders = self.shop.orders_of(question.customer_id)
        under_way = [order for order in orders if order.is_under_way]
        return next((some[0] for some in (orders, under_way) if len(some) == 1), None)

    def _source_by_id(self, source_id: str, question: Question, language: Language) -> Source | None:
        kind, _, name = source_id.partition(":")
        if kind == "order" and (order := self.shop.order(name, question.customer_id)):
            return self._order_source(order, language)
        if kind == "product" and (product := self.shop.product(name)):
            return self._product_source(product, language)
        passage = self.knowledge.passage(source_id, language)
        return passage_source(passage) if passage else None

    def _order_source(self, order: Order, language: Language) -> Source:
        text = self.shop.order_record_text(order, language)
        return Source(f"order:{order.id}", "order", "order_status", order.id, text)

    def _product_source(self, product: Product, language: Language) -> Source:
        text = self.shop.product_record_text(product, language)
        rest = sentences_of(product.description(language))[1:]
        joined = ("" if language == "zh" else " ").join(rest)
        return Source(
            f"product:{product.id}", "product", "product_info", product.title(language), text, joined
        )

    def beside_records(self, turn: Turn, name: str) -> Source | None:
        """The passage of a product type, if one is asked for and no product: "when do sold-out things come back"."""
        asked = {label: odds for label, odds in turn.labels.items() if type_of(label) == name}
        if len(asked) < 2 or max(asked, key=asked.__getitem__).endswith(("/record", "/attribute")):
            return None
        if any(source.kind == "product" for source in turn.sources):
            return None
        return self.best_passage(turn, name)

    def best_passage(self, turn: Turn, topic: str) -> Source | None:
        """The passage of a topic that is asked for."""
        found = [hit.passage for hit in turn.hits if hit.passage.topic == topic]
        found += self.knowledge.by_topic(topic, turn.language)
        return passage_source(max(found, key=lambda passage: self.fit(turn, passage))) if found else None

    def fit(self, turn: Turn, passage: Passage) -> float:
        """How well a passage fits within its topic: by aspect, as the router sees both, and by retrieval."""
        match = self._aspect(turn, passage)
        share = next((hit.share for hit in turn.hits if hit.passage.id == passage.id), 0.0)
        fit = match + RETRIEVAL_TRUST * share
        if turn.likeness is None:
            return fit
        return (fit + _LEAST_FIT) * math.exp(LIKENESS_TRUST * self._nearness(turn, passage))

    def _aspect(self, turn: Turn, passage: Passage) -> float:
        """How much of what is asked of a passage's topic is asked of this passage, as the router sees both."""
        asked = {label: odds for label, odds in turn.labels.items() if type_of(label) == passage.topic}
        told = self._aspects.get(passage.id, {})
        return sum(odds * told.get(label, 0.0) for label, odds in asked.items()) / (
            sum(asked.values()) or 1.0
        )

    def _nearness(self, turn: Turn, passage: Passage) -> float:
        """The cosine of question and passage, less that of the nearest passage."""
        assert turn.likeness is not None
        return float(turn.likeness[self.places[passage.language, passage.id]] - turn.likeness.max())


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


def told_of(product: Source) -> str:
    """What a product's record tells in sentences."""
    return f"{product.text} {product.rest}".strip()


def parts_of(text: str) -> list[str]:
    """The parts of a message that may be questions of their own; none if it has but one, or too many to be looked at."""
    parts = [part for part in _BETWEEN_QUESTIONS.split(text) if part and len(units_of(part)) >= SHORTEST]
    return parts if 1 < len(parts) <= MOST_PARTS else []


def continues(text: str) -> bool:
    """Whether a question is put as one that goes on with the one before: "and to Spain?", "那法国呢？"."""
    return (
        bool(_FOLLOW_UP.match(text) or _FOLLOW_UP_END.search(text)) and len(units_of(text)) <= GOES_ON_UNITS
    )


def units_of(text: str) -> list[str]:
    """Words and single Chinese characters."""
    return _UNIT.findall(text)


def passage_source(passage: Passage) -> Source:
    return Source(passage.id, "passage", passage.topic, passage.title, passage.text)
