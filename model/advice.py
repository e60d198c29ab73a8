"""Suggests products in the chat: cards with their reasons, why, a newcomer's first steps, what goes with what.

What is chosen, and what never is, is `model.suggester`'s matter.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path

from model.knowledge import Catalogue
from model.language import language_of
from model.phrases import phrase
from model.reading import MAX_READ, parts_of
from model.shop import Product, Shop
from model.suggester import Request, Suggester, Suggestion
from model.together import Together
from model.types import Answer, CustomerEvent, FirstSteps, Language, Question, SuggestedProduct

SUGGESTIONS = 3

FIRST_PRODUCTS = 6
"""Products that a newcomer is asked to judge."""

_ACTION_NAMES = {"buy": "buy", "like": "like", "more": "like", "view": "view", "cheaper": "view"}

_REASON_OF = {action: f"reason_{name}" for action, name in _ACTION_NAMES.items()}

_GOES_WITH = re.compile(
    r"\bwhat (?:else )?(?:goes|would go|could go|can go|matches|pairs|would match)\b.*\bwith\b|搭配什么|搭配.*[好买]|配什么|配啥",
    re.IGNORECASE,
)

_THIS = re.compile(r"\b(this|that|it|these|them)\b|[这它]", re.IGNORECASE)


class Advisor:
    """Suggestions of one shop, as customers see them."""

    def __init__(self, shop: Shop, behaviour: Path | None = None) -> None:
        """`behaviour`: the folder of the recommender's checkpoint."""
        self.shop = shop
        self.catalogue = Catalogue(shop)
        self._behaviour = behaviour
        self._behaviour_at = _written_at(behaviour)
        self.suggester = Suggester.load(shop, self.catalogue, behaviour)
        self._suggest_together = Together(lambda requests: self.suggester.suggest_many(requests))

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
        request = self.request(wish, language, customer_id, shown, k, seen, events, about, cheaper)
        return self.cards(request, await self._suggest_together(request))

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
        return FirstSteps(products=tuple(self.card(product, language) for product in products))

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

    def going_with(self, question: Question, text: str, language: Language) -> tuple[list[Answer], str]:
        """What goes with a product, if a part of a message asks that, and the rest of the message.

        The product is the one named, or, for "this", the one just spoken of or looked at, else the one whose words fit.
        """
        parts = parts_of(text) or [text]
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
        request = self.request(
            "", language, question.customer_id, question.shown, seen=(about.id,), events=question.events
        )
        reason = phrase(language, "reason_goes_with", title=about.title(language))
        products = tuple(self.card(one.product, language, reason) for one in self.suggester.suggest(request))
        said = phrase(language, "suggest" if products else "suggest_none")
        answer = Answer("answer", said, "suggest", 1.0, products=products)
        return [answer], "\n".join(part for part in parts if part is not asking)

    def request(
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

    def cards(self, request: Request, found: Sequence[Suggestion]) -> tuple[SuggestedProduct, ...]:
        return tuple(
            self.card(suggestion.product, request.language, self._reason(suggestion, request))
            for suggestion in found
        )

    def _reason(self, suggestion: Suggestion, request: Request) -> str:
        """Why, in one line made of the customer's own event or wish and the record: nothing that is not so."""
        language = request.language
        if request.about and (other := self.shop.product(request.about)):
            name = "reason_cheaper" if request.cheaper else "reason_similar"
            if request.cheaper and suggestion.product.category != other.category:
                name = "reason_less"  # of another kind, there being none of this kind: not alike
            return phrase(language, name, title=other.title(language))
        if suggestion.is_new:
            return phrase(language, "reason_new")
        if request.wish:
            return ""
        event = suggestion.because
        if event and (other := self.shop.product(event.product_id)):
            return phrase(language, _REASON_OF[event.action], title=other.title(language))
        return phrase(language, "reason_popular")

    def card(self, product: Product, language: Language, reason: str = "") -> SuggestedProduct:
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
