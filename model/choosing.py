"""Chooses what a question is answered from: a passage, a record, an answer by code, a question back, or a refusal.

Where the encoder is installed a judge (`model.answerable`) has the last word on whether what was found answers it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from model.advice import SUGGESTIONS, Advisor
from model.answerable import Evidence, Judge, logit
from model.decoders import Decision
from model.knowledge import covered_share, parse_wish
from model.language import language_of
from model.phrases import phrase
from model.prompt import ORDER_TYPES, PRODUCT_TYPES, SMALL_TALK_TYPES
from model.reading import MAX_READ, Reader, Source, Turn, passage_source, told_of, units_of
from model.router import by_type
from model.shop import STATUS_NAMES, Order, date_text
from model.types import Answer, Language, Question
from model.wishes import asks_for_things, kind_asked_for

MAX_LISTED = 8
"""Orders that a question back lists."""

TYPE_CONFIDENCE = 0.5
"""Below this probability of the question type, retrieval decides instead of the model."""

POSSIBLE = 0.1
"""A passage whose type the router holds for less likely than this is not shown on retrieval's word alone."""

POSSIBLE_WISH = 0.002
"""A question that nothing answers is not taken for a wish if the routers hold that for less likely than this."""

ATTRIBUTE = "product_info/attribute"
"""Questions on one thing about a product, which its record may not tell."""

RECORD_TYPES = ORDER_TYPES | {"product_price", "product_stock"}
"""Questions that a record always answers, once it is known which, so that their type's probability is enough."""

NO_SOURCE = SMALL_TALK_TYPES | {"other", "human", "suggest"}
"""Questions that no passage and no record answers."""

ORDER_MATTERS = frozenset({"order_cancel", "order_change", "order_invoice"})
"""Questions on an order that the shop's rules answer, not its record alone."""

_LEAST = 1e-6

_COSINES = 20.0
"""What brings differences of this encoder's cosines to about 1."""


class Chooser:
    """Decides by what the reader found; suggestions are the advisor's."""

    def __init__(self, reader: Reader, advisor: Advisor, judge: Judge | None = None) -> None:
        self.shop = reader.shop
        self._reader = reader
        self._advisor = advisor
        self.judge = judge if reader.meaning else None

    def verdict(
        self, turn: Turn, sources: Sequence[Source], decision: Decision, chosen: Source | None
    ) -> tuple[Decision, Answer | Source]:
        """The source that must be answered from, or an answer by code where the model has nothing to say.

        With the decision that holds: a judge may overrule a type that no source answers, and says how sure it is.
        """
        name, language, probability = decision.question_type, turn.language, decision.type_probability
        if probability >= TYPE_CONFIDENCE:
            if name in SMALL_TALK_TYPES and not self._asks_for_a_kind(turn):
                return decision, Answer("smalltalk", phrase(language, name), name, probability)
            if name == "human":
                text = paragraphs(phrase(language, "human"), self._contact(language))
                return decision, Answer("handover", text, name, probability)
            if name == "suggest":
                return decision, self._suggestions(turn, probability)
        if self.judge:
            return self._if_answerable(turn, sources, decision, chosen)
        if probability < TYPE_CONFIDENCE:
            return decision, self.by_retrieval(turn, probability)
        if name == "other":
            if turn.named and turn.named[0].kind == "order":  # whoever names an order wants to know of it
                return decision, self.by_retrieval(replace(turn, hits=()), probability)
            return decision, self._unknown(turn, probability)
        return decision, self._source_for(turn, sources, decision, chosen)

    def _if_answerable(
        self, turn: Turn, sources: Sequence[Source], decision: Decision, chosen: Source | None
    ) -> tuple[Decision, Answer | Source]:
        """The source of the likeliest type that has one, if the judge holds that it answers the question."""
        name = decision.question_type
        if name in NO_SOURCE:
            name, chosen = _likeliest(turn.types), None
        is_record = name in RECORD_TYPES
        probability = turn.types[name] if is_record else self.answerable(turn, name)
        decision = Decision(
            name, probability, decision.key if chosen else None, decision.key_probability, decision.ranking
        )
        assert self.judge
        if probability >= (TYPE_CONFIDENCE if is_record else self.judge.threshold):
            return decision, self._source_for(turn, sources, decision, chosen)
        if turn.named and turn.named[0].kind == "order":  # whoever names an order wants to know of it
            return decision, self.by_retrieval(replace(turn, hits=()), probability)
        return decision, self._unknown(turn, probability)

    def _source_for(
        self, turn: Turn, sources: Sequence[Source], decision: Decision, chosen: Source | None
    ) -> Answer | Source:
        """The record or passage that a question of this type is answered from; a question back if that is open."""
        name = decision.question_type
        for kind, types in (("order", ORDER_TYPES), ("product", PRODUCT_TYPES)):
            if name in types:
                records = [source for source in sources if source.kind == kind]
                if kind == "product" and (passage := self._reader.beside_records(turn, name)):
                    return passage
                if name in ORDER_MATTERS and len(records) == 1:
                    return self._order_matter(turn, decision, records[0])
                if chosen and chosen in records:
                    return chosen
                return records[0] if len(records) == 1 else self._ask_back(turn, decision, kind)
        return self._reader.best_passage(turn, name) or self.by_retrieval(turn, decision.type_probability)

    def evidence(self, question: Question) -> Evidence:
        """What speaks for answering a question, for the judge to learn from: the likeliest type that has a source,
        that source's id ("" for a question back), and the signs."""
        text = question.text.strip()[:MAX_READ]
        turn = self._reader.look_up(question, text, language_of(text, question.language), ())
        name = _likeliest(turn.types)
        source = self._source_at_hand(turn, name)
        return Evidence(name, source.id if source else "", self._signs(turn, name, source))

    def answerable(self, turn: Turn, name: str) -> float:
        assert self.judge
        return self.judge.probability(self._signs(turn, name, self._source_at_hand(turn, name)))

    def _source_at_hand(self, turn: Turn, name: str) -> Source | None:
        """The source of a type as far as code can tell: a product that is named, an order that must be meant."""
        if name in PRODUCT_TYPES | ORDER_TYPES:
            kind = "product" if name in PRODUCT_TYPES else "order"
            if kind == "product" and (passage := self._reader.beside_records(turn, name)):
                return passage
            return next((source for source in turn.sources if source.kind == kind), None)
        return self._reader.best_passage(turn, name)

    def _signs(self, turn: Turn, name: str, source: Source | None) -> dict[str, float]:
        """What the judge goes by; see `model.answerable`."""
        assert self._reader.meaning and turn.likeness is not None
        asked = self._reader.asked(turn.read)
        meant = by_type(self._reader.meaning.opinion(asked)) or turn.types
        attribute = turn.labels.get(ATTRIBUTE, 0.0) if name in PRODUCT_TYPES else 0.0
        mean = float(turn.likeness.mean()) if len(turn.likeness) else 0.0
        best = float(turn.likeness.max()) if len(turn.likeness) else 0.0
        share, near = 0.0, mean
        if source and source.kind == "passage":
            passage = self._reader.knowledge.passage(source.id, turn.language)
            assert passage
            share = self._reader.knowledge.share(asked, passage)
            near = float(turn.likeness[self._reader.places[turn.language, source.id]])
        elif source:
            share = covered_share(asked, f"{source.text} {source.rest}")
            if source.kind == "product":
                near = self._reader.meaning.likeness_to(asked, told_of(source))
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
            "length": math.log1p(len(units_of(turn.read))),
        }

    def by_retrieval(self, turn: Turn, confidence: float = 0.0) -> Answer:
        """The best passage if retrieval is sure of it, the record that the question names, or an honest refusal."""
        best = turn.hits[0] if turn.hits else None
        if best and best.is_sure and turn.types.get(best.passage.topic, 1.0) >= POSSIBLE:
            source = passage_source(best.passage)
            return Answer("passage", source.text, source.topic, confidence, source.id, source.title)
        if turn.named:
            source = turn.named[0]
            return Answer("passage", source.shown(turn.language), source.topic, confidence, source.id)
        return self._unknown(turn, confidence)

    def _unknown(self, turn: Turn, confidence: float) -> Answer:
        """A refusal, unless the question is a wish that no router has learned, for which there are products."""
        if self._is_wish(turn):
            found = self._suggestions(turn, turn.types.get("suggest", 0.0))
            if found.products:
                return found
        text = paragraphs(phrase(turn.language, "unknown"), self._contact(turn.language))
        return Answer("unknown", text, "other", confidence)

    def _is_wish(self, turn: Turn) -> bool:
        """Whether a question that nothing answers asks for things that the catalogue has; never one on a named record."""
        if turn.named:
            return False
        if self._asks_for_a_kind(turn):
            return True
        if turn.types.get("suggest", 0.0) < POSSIBLE_WISH:
            return False
        if sum(turn.types.get(name, 0.0) for name in ORDER_TYPES) > turn.types["suggest"]:
            return False
        return asks_for_things(turn.text) and bool(self._advisor.catalogue.subjects(turn.text, turn.language))

    def _asks_for_a_kind(self, turn: Turn) -> bool:
        """Whether a question asks if there is a kind of thing, and the catalogue has some: "any kettles under 60?"."""
        kind = kind_asked_for(parse_wish(turn.text).text)
        return bool(kind) and self._advisor.catalogue.has_kind(kind, turn.language)

    def _suggestions(self, turn: Turn, confidence: float) -> Answer:
        """What `/suggest` with the same words gives."""
        asked = turn.question
        request = self._advisor.request(
            turn.text, turn.language, asked.customer_id, asked.shown, events=asked.events
        )
        products = self._advisor.cards(request, self._advisor.suggester.suggest(request))
        text = phrase(turn.language, "suggest" if products else "suggest_none")
        return Answer("answer", text, "suggest", confidence, products=products)

    def _contact(self, language: Language) -> str:
        passages = self._reader.knowledge.by_topic("human", language) or self._reader.knowledge.by_topic(
            "contact", language
        )
        return passages[0].text if passages else ""

    def _ask_back(self, turn: Turn, decision: Decision, kind: str) -> Answer:
        """Which order, or which product? Without any order, the passage on the matter."""
        name, language = decision.question_type, turn.language
        if kind == "product":
            some = self._suggestions(turn, decision.type_probability) if self._asks_for_a_kind(turn) else None
            if some and some.products:
                return some
            found = self._advisor.catalogue.search(turn.text, language, SUGGESTIONS)
            cards = tuple(self._advisor.card(product, language) for product in found)
            return Answer("clarify", phrase(language, "which_product"), name, products=cards)
        orders = self.shop.orders_of(turn.question.customer_id)
        if orders:
            lines = [_order_line(order, language) for order in orders[:MAX_LISTED]]
            return Answer("clarify", "\n".join([phrase(language, "which_order"), *lines]), name)
        if source := self._reader.best_passage(turn, name):
            probability = decision.type_probability
            return Answer("passage", source.text, name, probability, source.id, source.title)
        return Answer("clarify", phrase(language, "no_orders"), name)

    def _order_matter(self, turn: Turn, decision: Decision, record: Source) -> Answer:
        """What can still be done with an order is the shop's rule, so the order's state stands beside the passage."""
        rule = self._reader.best_passage(turn, decision.question_type)
        text = paragraphs(record.shown(turn.language), rule.text if rule else "")
        title = rule.title if rule else ""
        return Answer("passage", text, decision.question_type, decision.type_probability, record.id, title)


def _likeliest(types: Mapping[str, float]) -> str:
    """The likeliest type of those that are answered from a source."""
    return max((name for name in types if name not in NO_SOURCE), key=types.__getitem__)


def _lead(types: Mapping[str, float], name: str) -> float:
    """How far a type is ahead of the likeliest other one, in log-odds within ±6."""
    others = max((odds for kind, odds in types.items() if kind != name), default=0.0)
    return max(-6.0, min(6.0, math.log((types.get(name, 0.0) + _LEAST) / (others + _LEAST))))


def _order_line(order: Order, language: Language) -> str:
    return f"{order.id} · {date_text(order.placed, language)} · {STATUS_NAMES[language][order.status]}"


def paragraphs(*texts: str) -> str:
    return "\n\n".join(text for text in texts if text)
