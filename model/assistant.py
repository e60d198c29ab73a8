"""The assistant: the one door that workers and commands knock on.

Code finds records and passages, the voice names the question type and writes from one of them, code checks what
was written. Whatever fails on the way, the source itself is the answer: the passage is the floor.
"""

import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, Self

import torch

from model.check import unsupported
from model.checkpoint import load, shipped
from model.decoders import Decision, NativeDecoder, NativeVoice
from model.engine import EngineError
from model.knowledge import Catalogue, Hit, Knowledge, Passage
from model.literal import fields_of, is_taught, quotes, told_to_the_end
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
from model.router import Router, fuse
from model.shop import STATUS_NAMES, Order, Product, Shop, date_text
from model.slots import SLOT, Slots
from model.suggester import Request, Suggester, Suggestion
from model.types import Answer, CustomerEvent, FirstSteps, Language, OnText, Question, SuggestedProduct

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

MODEL_TRUST = 0.3
"""Weight of the model's opinion on the question type beside the router's, from held-out wordings."""

MAX_QUESTION = 600
"""Characters of a question that the model reads."""

MAX_READ = 4096
"""Characters of a question that retrieval reads: one message's worth, however many were sent together."""

ORDER_MATTERS = frozenset({"order_cancel", "order_change", "order_invoice"})
"""Questions on an order that the shop's rules answer, not its record alone."""

_ACTION_NAMES = {"buy": "buy", "like": "like", "more": "like", "view": "view", "cheaper": "view"}
_REASON_OF = {action: f"reason_{name}" for action, name in _ACTION_NAMES.items()}

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[^\W\d_\u3400-\u9fff]*[A-Za-z][^\W\d_\u3400-\u9fff]*")
_FOLLOW_UP = re.compile(r"^\s*((and|what about|how about|also|or)\b|那|还有|如果|要是|换成)", re.IGNORECASE)


class Voice(Protocol):
    """What writes answers from a prompt of `model.prompt`. `steps` grows while it works."""

    @property
    def steps(self) -> int: ...

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
    ) -> AsyncGenerator[Decision | str]:
        """One Decision, then the answer in pieces, each slot whole. Raises EngineError if it cannot end."""
        ...

    async def close(self) -> None:
        """Free what generates."""
        ...


class NoVoice:
    """Writes nothing and is sure of nothing, so that every answer is the passage that retrieval finds."""

    steps = 0

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
    ) -> AsyncGenerator[Decision | str]:
        yield Decision("other", 0.0, None, 0.0)

    async def close(self) -> None:
        return


@dataclass(frozen=True)
class _Source:
    """One passage or record that an answer may rest on."""

    id: str
    kind: Literal["passage", "order", "product"]
    topic: str
    title: str
    text: str

    def shown(self, language: Language) -> str:
        """The source as a customer reads it when the model's words are not used."""
        if self.kind == "passage":
            return self.text
        head = phrase(language, f"{self.kind}_fact", title=self.title)
        return "\n".join([head, *re.split(r"[;；]\s*", self.text)])


@dataclass(frozen=True)
class _Turn:
    """One question with what was found for it: likely types, records that it names, passages best first, and all."""

    question: Question
    text: str
    language: Language
    types: Mapping[str, float]
    named: tuple[_Source, ...]
    hits: tuple[Hit, ...]
    sources: tuple[_Source, ...]


@dataclass(frozen=True)
class _Page:
    """A prompt and what its keys and slots stand for; `allowed` are the slots that each key's answer may use."""

    prompt: str
    sources: tuple[_Source, ...]
    slots: Slots
    allowed: Mapping[int | None, Collection[int]]


class Assistant:
    """Answers questions and suggests products of one shop."""

    def __init__(
        self,
        shop: Shop,
        voice: Voice,
        router: Router | None = None,
        behaviour: Path | None = None,
    ) -> None:
        self.shop = shop
        self._router = router
        self.knowledge = Knowledge(shop.passages)
        self.catalogue = Catalogue(shop)
        self.suggester = Suggester.load(shop, self.catalogue, behaviour)
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
    ) -> Self:
        """Make an assistant from settings.

        model: "builtin" for the checkpoint that ships, "passages" to answer without a model, or a checkpoint's
        folder; shop: the folder of its data, None for the demo shop; its `behaviour/`, if there is one, is what
        `kefu train behaviour` wrote. Raises ShopError, CheckpointError and RecommenderError.
        """
        records = Shop.load(shop)
        behaviour = shipped(BEHAVIOUR) if shop is None else shop / BEHAVIOUR
        if model == "passages":
            return cls(records, NoVoice(), behaviour=behaviour)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        folder = shipped() if model == "builtin" else Path(model)
        voice = NativeVoice(NativeDecoder(load(folder, device), slots, threads))
        return cls(records, voice, Router.load(folder), behaviour)

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
        turn = self._look_up(question, text, language, orders)
        try:
            return await self._write(turn, on_text)
        except EngineError:  # the model could not end its answer; the shop's own words can
            return self._by_retrieval(turn)

    async def suggest(
        self,
        wish: str,
        language: Language,
        customer_id: int,
        shown: Sequence[str] = (),
        k: int = SUGGESTIONS,
        seen: Sequence[str] = (),
        events: Sequence[CustomerEvent] = (),
        about: str = "",
        cheaper: bool = False,
    ) -> tuple[SuggestedProduct, ...]:
        """Products in stock: what fits the wish and the customer, else what the customer likely wants next, else popular.

        None of those `seen`, bought before or lately `shown` in this chat, none that the customer does not want
        (`events`). `about`: like that product, with `cheaper` for less than it costs.
        """
        return self._suggest(wish, language, customer_id, shown, k, seen, events, about, cheaper)

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
    def steps(self) -> int:
        """Grows while the engine advances: what a watchdog looks at."""
        return self._voice.steps

    async def close(self) -> None:
        """Free the voice's engine."""
        await self._voice.close()

    # --- finding ------------------------------------------------------------------------------------------

    def _look_up(self, question: Question, text: str, language: Language, orders: Sequence[Order]) -> _Turn:
        """Records first, named ones before those that must be meant; then the passages that retrieval finds."""
        last = question.history[-1] if question.history else None
        sources = [self._order_source(order, language) for order in orders[:MAX_RECORDS]]
        products = self.shop.find_products(text, language)[:MAX_RECORDS]
        sources += [self._product_source(product, language) for product in products]
        named = tuple(sources)
        if not sources and last and (source := self._source_by_id(last.source_id, question, language)):
            sources.append(source)
        if not any(source.kind == "order" for source in sources) and (order := self._only_order(question)):
            sources.append(self._order_source(order, language))
        query = f"{last.customer} {text}" if last and _FOLLOW_UP.match(text) else text
        hits = tuple(self.knowledge.search(query, language, PASSAGES))
        known = {source.id for source in sources}
        sources += [_passage_source(hit.passage) for hit in hits if hit.passage.id not in known]
        types = self._router.probabilities(text) if self._router else {}
        return _Turn(question, text, language, types, named, hits, tuple(sources))

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
        return _Source(f"product:{product.id}", "product", "product_info", product.title(language), text)

    # --- writing ------------------------------------------------------------------------------------------

    async def _write(self, turn: _Turn, on_text: OnText | None) -> Answer:
        """Let the voice decide and write; where code knows the source better, ask again with that one alone."""
        page = self._page(turn, turn.sources)
        keys = range(len(page.sources))
        likely = [name for name in QUESTION_TYPES if turn.types.get(name, 1.0) >= PLAUSIBLE]
        async with aclosing(
            self._voice.write(page.prompt, types=likely, keys=keys, slots=page.allowed)
        ) as stream:
            decision = await anext(stream)
            assert isinstance(decision, Decision)
            if turn.types:
                decision = _fused(decision, turn.types)
            chosen = page.sources[decision.key] if decision.key is not None else None
            verdict = self._judge(turn, page.sources, decision, chosen)
            if isinstance(verdict, Answer):
                return verdict
            if verdict == chosen:
                return self._checked(turn, verdict, decision, await _text(stream, page, on_text))
        page = self._page(turn, (verdict,))
        keys, types = range(len(page.sources)), [decision.question_type]
        async with aclosing(
            self._voice.write(page.prompt, types=types, keys=keys, slots=page.allowed, allow_none=False)
        ) as stream:
            await anext(stream)
            return self._checked(turn, verdict, decision, await _text(stream, page, on_text))

    def _page(self, turn: _Turn, sources: Sequence[_Source]) -> _Page:
        """The prompt, with as many of the sources as it has room for, the likeliest first; then with less to ask."""
        for count in range(len(sources), 0, -1):
            page = _render(turn, tuple(sources[:count]), MAX_QUESTION)
            if self._voice.fits(page.prompt):
                return page
        length = MAX_QUESTION // 4
        while not self._voice.fits((page := _render(turn, (), length)).prompt):
            length //= 2
        return page

    def _judge(
        self, turn: _Turn, sources: Sequence[_Source], decision: Decision, chosen: _Source | None
    ) -> Answer | _Source:
        """The source that must be answered from, or an answer by code where the model has nothing to say."""
        name, language = decision.question_type, turn.language
        if decision.type_probability < TYPE_CONFIDENCE:
            return self._by_retrieval(turn, decision.type_probability)
        if name == "other":
            return self._unknown(turn, decision.type_probability)
        if name in SMALL_TALK_TYPES:
            return Answer("smalltalk", phrase(language, name), name, decision.type_probability)
        if name == "human":
            text = _paragraphs(phrase(language, "human"), self._contact(language))
            return Answer("handover", text, name, decision.type_probability)
        if name == "suggest":
            products = self._suggest(turn.text, language, turn.question.customer_id)
            text = phrase(language, "suggest" if products else "suggest_none")
            return Answer("answer", text, name, decision.type_probability, products=products)
        for kind, types in (("order", ORDER_TYPES), ("product", PRODUCT_TYPES)):
            if name in types:
                records = [source for source in sources if source.kind == kind]
                if name in ORDER_MATTERS and len(records) == 1:
                    return self._order_matter(turn, decision, records[0])
                if chosen and chosen in records:
                    return chosen
                return records[0] if len(records) == 1 else self._ask_back(turn, decision, kind)
        return self._best_passage(turn, name) or self._by_retrieval(turn, decision.type_probability)

    def _best_passage(self, turn: _Turn, topic: str) -> _Source | None:
        """The passage of a topic that fits the question best: retrieval chooses a little better than the model."""
        found = [hit.passage for hit in turn.hits if hit.passage.topic == topic]
        found += self.knowledge.by_topic(topic, turn.language)
        return _passage_source(found[0]) if found else None

    def _checked(self, turn: _Turn, source: _Source, decision: Decision, text: str) -> Answer:
        """The model's words if they say nothing but what the source says, else the source itself."""
        sound = bool(text) and not unsupported(text, [source.title, source.text, turn.text], self._titles)
        if sound and source.kind == "passage":
            sound = quotes(text, source.text)
            text = told_to_the_end(text, source.text, turn.language)
        elif sound:
            fields = fields_of(source.text)
            sound = is_taught(decision.question_type, source.title, fields, text, turn.language)
        return Answer(
            "answer" if sound else "passage",
            text if sound else source.shown(turn.language),
            decision.question_type,
            decision.type_probability * decision.key_probability,
            source.id,
            source.title if source.kind == "passage" else "",
        )

    # --- answering by code --------------------------------------------------------------------------------

    def _by_retrieval(self, turn: _Turn, confidence: float = 0.0) -> Answer:
        """The best passage if retrieval is sure of it, the record that the question names, or an honest refusal."""
        if turn.hits and turn.hits[0].is_sure:
            source = _passage_source(turn.hits[0].passage)
            return Answer("passage", source.text, source.topic, confidence, source.id, source.title)
        if turn.named:
            source = turn.named[0]
            return Answer("passage", source.shown(turn.language), source.topic, confidence, source.id)
        return self._unknown(turn, confidence)

    def _unknown(self, turn: _Turn, confidence: float) -> Answer:
        text = _paragraphs(phrase(turn.language, "unknown"), self._contact(turn.language))
        return Answer("unknown", text, "other", confidence)

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

    def _suggest(
        self,
        wish: str,
        language: Language,
        customer_id: int,
        shown: Sequence[str] = (),
        k: int = SUGGESTIONS,
        seen: Sequence[str] = (),
        events: Sequence[CustomerEvent] = (),
        about: str = "",
        cheaper: bool = False,
    ) -> tuple[SuggestedProduct, ...]:
        wish = wish.strip()[:MAX_READ]
        now = time.time()
        views = tuple(CustomerEvent(product_id, "view", now - len(seen)) for product_id in seen)
        request = Request(
            language_of(wish, language) if wish else language,
            wish,
            (*views, *events),
            tuple(self.shop.orders_of(customer_id)),
            tuple((product_id, now) for product_id in shown),
            about=about,
            cheaper=cheaper,
            k=k,
            now=now,
        )
        return tuple(
            self._card(suggestion.product, language, self._reason(suggestion, request))
            for suggestion in self.suggester.suggest(request)
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


def language_of(text: str, default: Language) -> Language:
    """The language a text is written in, where its script tells; else the customer's own."""
    chinese, latin = len(_CHINESE.findall(text)), len(_LATIN_WORD.findall(text))
    if chinese > latin:
        return "zh"
    return "en" if latin >= 2 and not chinese else default


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
    facts = [Fact(s.topic, slots.cut(plain(s.title)), slots.cut(plain(s.text))) for s in sources]
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


def _slot_numbers(fact: Fact) -> frozenset[int]:
    return frozenset(int(number) for number in SLOT.findall(f"{fact.title} {fact.text}"))


def _passage_source(passage: Passage) -> _Source:
    return _Source(passage.id, "passage", passage.topic, passage.title, passage.text)


def _order_line(order: Order, language: Language) -> str:
    return f"{order.id} · {date_text(order.placed, language)} · {STATUS_NAMES[language][order.status]}"


def _paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
