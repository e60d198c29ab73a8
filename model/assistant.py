"""The assistant: the one door that workers and commands knock on.

Code finds records and passages, the voice names the question type and writes from one of them, code checks what
was written. Whatever fails on the way, the source itself is the answer: the passage is the floor.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, Self

import torch

from model.check import faithfulness, shared_words, unsupported
from model.checkpoint import CheckpointError, load, shipped
from model.data.asks import type_of
from model.decoders import Decision, ModelError, NativeDecoder, NativeVoice, PromptTooLong
from model.engine import EngineError
from model.general import LONGEST_ANSWER, GeneralVoice
from model.knowledge import Catalogue, Hit, Knowledge, Passage
from model.literal import fields_of, is_taught, quotes, sentences_of, told_to_the_end, with_delivery
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
from model.router import PRODUCT, Router, by_type, fuse
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

MODEL_TRUST = 0.2
"""Weight of the model's opinion on the question type beside the router's, from held-out wordings."""

RETRIEVAL_TRUST = 0.5
"""Weight of retrieval beside the aspects when a passage of a topic is chosen."""

SURE_PART = 0.35
"""A part of a message that the router is surer of than this, and twice as sure as of anything else, may be a question
of its own."""

SAME_MATTER = 4.0
"""How much likelier the question type of the last answer is for a question that says too little."""

SHORTEST = 2
MOST_PARTS = 6
"""Words of a part at least, and parts of a message at most, that are looked at for two questions."""

ALONE = 0.6
"""A question that the router is surer of than this is read alone, whatever stood before it."""

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

ORDER_MATTERS = frozenset({"order_cancel", "order_change", "order_invoice"})
"""Questions on an order that the shop's rules answer, not its record alone."""

_ACTION_NAMES = {"buy": "buy", "like": "like", "more": "like", "view": "view", "cheaper": "view"}
_REASON_OF = {action: f"reason_{name}" for action, name in _ACTION_NAMES.items()}

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_LATIN_WORD = re.compile(r"[^\W\d_\u3400-\u9fff]*[A-Za-z][^\W\d_\u3400-\u9fff]*")
_UNIT = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")
_BETWEEN_QUESTIONS = re.compile(
    r"[?？!！。；;\n]+|\.\s+|[,，]\s*|(?:^|\s)(?:and|also|plus)\s|还有|另外|以及|顺便", re.IGNORECASE
)
_NO_QUESTION = SMALL_TALK_TYPES | {"other", "complaint", "human"}
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
        voice: Voice | GeneralVoice,
        router: Router | None = None,
        behaviour: Path | None = None,
    ) -> None:
        self.shop = shop
        self._router = router
        _check_labels(shop, router)
        self.knowledge = Knowledge(shop.passages)
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
    ) -> Self:
        """Make an assistant from settings.

        model: "builtin" for the checkpoint that ships, "passages" to answer without a model, a checkpoint's folder,
        any causal language model of transformers (id, folder, .gguf file), or the address of an OpenAI-compatible
        server, whose model is `model_name` and whose key is `model_key`; the last two answer in `answer_tokens` at
        most. shop: the folder of its data, None for the demo shop; its `behaviour/`, if there is one, is what
        `kefu train behaviour` wrote. Raises ShopError, CheckpointError, ModelError and RecommenderError.
        """
        records = Shop.load(shop)
        behaviour = shipped(BEHAVIOUR) if shop is None else shop / BEHAVIOUR
        if model == "passages":
            return cls(records, NoVoice(), behaviour=behaviour)
        own = Router.load(DEMO_SHOP if shop is None else shop)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if model.startswith(("http://", "https://")):
            from model.endpoint import EndpointDecoder

            endpoint = EndpointDecoder(model, model_name, model_key, slots)
            return cls(
                records, GeneralVoice(endpoint, answer_tokens), own or Router.load(shipped()), behaviour
            )
        if is_foreign(model):
            from model.transformer import open_transformers

            decoder = open_transformers(model, device, slots, threads, precision)
            return cls(
                records, GeneralVoice(decoder, answer_tokens), own or Router.load(shipped()), behaviour
            )
        folder = shipped() if model == "builtin" else Path(model)
        try:
            voice = NativeVoice(NativeDecoder(load(folder, device), slots, threads, precision))
        except ValueError as error:
            if isinstance(error, CheckpointError):
                raise
            raise ModelError(str(error)) from None
        return cls(records, voice, own or Router.load(folder), behaviour)

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
        answers = []
        for part in self._questions_in(text):
            turn = self._look_up(question, part, language, orders)
            try:
                answers.append(await self._say(turn, None if answers else on_text))
            except EngineError:  # the model could not end its answer; the shop's own words can
                answers.append(self._by_retrieval(turn))
        return _joined(answers)

    def _questions_in(self, text: str) -> list[str]:
        """The questions of a message: more than one only where each is surely of another kind, else the whole."""
        parts = [part for part in _BETWEEN_QUESTIONS.split(text) if part and len(_units(part)) >= SHORTEST]
        if not self._router or not 1 < len(parts) <= MOST_PARTS:
            return [text]
        found: dict[str, str] = {}
        for part in parts:
            labels = self._labels(part)
            (name, first), (_, second), *_ = sorted(by_type(labels).items(), key=lambda pair: -pair[1])
            if name in _NO_QUESTION or first < max(SURE_PART, 2 * second):
                continue
            label = max(labels, key=labels.__getitem__)
            found.setdefault("order" if name in ORDER_TYPES | {"delivery_tracking"} else label, part)
        return list(found.values())[:2] if len(found) > 1 else [text]

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
        query = f"{last.customer} {text}" if last and _FOLLOW_UP.match(text) else text
        hits = tuple(self.knowledge.search(query, language, PASSAGES))
        known = {source.id for source in sources}
        sources += [_passage_source(hit.passage) for hit in hits if hit.passage.id not in known]
        labels = self._labels(text, last)
        return _Turn(question, text, language, labels, by_type(labels), named, hits, tuple(sources))

    def _labels(self, text: str, last: PastTurn | None = None) -> Mapping[str, float]:
        """The router's opinion; a question that says too little is read together with the one before it."""
        if not self._router:
            return {}
        text = self.shop.without_titles(text, PRODUCT)
        labels = self._router.probabilities(text)
        if last and (_FOLLOW_UP.match(text) or len(_units(text)) <= FOLLOW_UP_UNITS):
            types = by_type(labels)
            name = max(types, key=types.__getitem__)
            if types[name] < ALONE or name == "other":
                before = self.shop.without_titles(last.customer, PRODUCT)
                labels = {
                    label: odds * (SAME_MATTER if type_of(label) == last.question_type else 1.0)
                    for label, odds in self._router.probabilities(f"{before} {text}").items()
                }
                total = sum(labels.values())
                return {label: odds / total for label, odds in labels.items()}
        return labels

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
        verdict = self._judge(turn, turn.sources, decision, None)
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
            name,
            probability,
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
            if passage and turn.types[name] >= TYPE_CONFIDENCE:
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
            verdict = self._judge(turn, page.sources, decision, chosen)
            if isinstance(verdict, Answer):
                return verdict
            if verdict == chosen:
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

    def _judge(
        self, turn: _Turn, sources: Sequence[_Source], decision: Decision, chosen: _Source | None
    ) -> Answer | _Source:
        """The source that must be answered from, or an answer by code where the model has nothing to say."""
        name, language = decision.question_type, turn.language
        if decision.type_probability < TYPE_CONFIDENCE:
            return self._by_retrieval(turn, decision.type_probability)
        if name == "other":
            if turn.named and turn.named[0].kind == "order":  # whoever names an order wants to know of it
                return self._by_retrieval(replace(turn, hits=()), decision.type_probability)
            return self._unknown(turn, decision.type_probability)
        if name in SMALL_TALK_TYPES:
            return Answer("smalltalk", phrase(language, name), name, decision.type_probability)
        if name == "human":
            text = _paragraphs(phrase(language, "human"), self._contact(language))
            return Answer("handover", text, name, decision.type_probability)
        if name == "suggest":
            asked = turn.question
            request = self._request(turn.text, language, asked.customer_id, asked.shown, events=asked.events)
            products = self._cards(request, self.suggester.suggest(request))
            text = phrase(language, "suggest" if products else "suggest_none")
            return Answer("answer", text, name, decision.type_probability, products=products)
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

    def _beside_records(self, turn: _Turn, name: str) -> _Source | None:
        """The passage of a product type, if one is asked for and no product: "when do sold-out things come back"."""
        asked = {label: odds for label, odds in turn.labels.items() if type_of(label) == name}
        if len(asked) < 2 or max(asked, key=asked.__getitem__).endswith("/record"):
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
        asked = {label: odds for label, odds in turn.labels.items() if type_of(label) == passage.topic}
        told = self._aspects.get(passage.id, {})
        match = sum(odds * told.get(label, 0.0) for label, odds in asked.items()) / (
            sum(asked.values()) or 1.0
        )
        share = next((hit.share for hit in turn.hits if hit.passage.id == passage.id), 0.0)
        return match + RETRIEVAL_TRUST * share

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
    """Whether KEFU_MODEL names a model of transformers: a GGUF file, a folder of one, or an id of a hub."""
    path = Path(model)
    if path.suffix == ".gguf":
        return True
    if path.is_dir():
        try:
            return "model_type" in json.loads((path / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
    return not path.exists() and re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", model) is not None


def language_of(text: str, default: Language) -> Language:
    """The language a text is written in, where its script tells; else the customer's own."""
    chinese, latin = len(_CHINESE.findall(text)), len(_LATIN_WORD.findall(text))
    if chinese > latin:
        return "zh"
    return "en" if latin >= 2 and not chinese else default


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
