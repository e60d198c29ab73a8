"""Chooses what to suggest: the behaviour GPT's scores where there is a history, behind masks that nothing passes.

Never suggested, whatever the scores: what is out of stock, what the customer bought, does not want or has had before
them lately, what the wish's limits forbid. Then variety: maximal marginal relevance, at most two of a category unless
what is wanted comes in too few. Newcomers get popular things of several kinds. Of a large catalogue an index proposes
some products (`model.candidates`), and only where these leave too few everything is scored. Knows the shop and the
catalogue, no chat and no language model.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import torch

from model.candidates import Candidates, open_candidates
from model.interactions import NEGATIVE_ACTIONS, Events, ItemText
from model.knowledge import Catalogue, parse_wish, says_only_limits
from model.recommender import Recommender
from model.shop import Order, Product, Shop
from model.types import CustomerEvent, Language
from model.variety import PER_CATEGORY, most_of_a_kind, varied

COOL_DOWN = 7 * 24 * 3600.0
"""Seconds in which what was shown is not shown again."""

PROPOSED = (1024, 8192)
"""How many products an index proposes for a customer, and how many where the masks leave too few of those."""

NEW_EVERY = 3
"""Lists of which one has a product that the recommender has not learned yet."""

_REASONS = 20
"""Events that a reason is looked for in."""

_OPINIONS = {"like": True, "dislike": False, "less": False}
_TELLING = ("buy", "like", "more", "view", "cheaper")


@dataclass(frozen=True)
class Request:
    """What is asked for. `now` in seconds; `about`: like this product; `cheaper`: and cheaper than it."""

    language: Language = "en"
    wish: str = ""
    events: tuple[CustomerEvent, ...] = ()
    orders: tuple[Order, ...] = ()
    shown: tuple[tuple[str, float], ...] = ()
    """What was shown, and when."""
    exclude: frozenset[str] = frozenset()
    about: str = ""
    cheaper: bool = False
    k: int = 3
    now: float = field(default_factory=time.time)


@dataclass(frozen=True)
class Suggestion:
    """A product and the customer's own event that speaks for it most; None if it is there for another reason."""

    product: Product
    because: CustomerEvent | None = None
    is_new: bool = False
    """Whether it is there because it is new, and the recommender has not learned it yet."""


class Suggester:
    """Suggestions of one shop. Without a recommender everybody is a newcomer or gets what is alike in words."""

    def __init__(
        self,
        shop: Shop,
        catalogue: Catalogue,
        recommender: Recommender | None = None,
        candidates: Candidates | None = None,
    ) -> None:
        """candidates: of the same recommender; without them every product is scored."""
        self._shop = shop
        self._catalogue = catalogue
        self._recommender = recommender
        self._candidates = candidates
        products = shop.products
        self._position = {product.id: place for place, product in enumerate(products)}
        names = sorted({product.category for product in products})
        self._kind_of = {name: number for number, name in enumerate(names)}
        self._kinds = np.array([self._kind_of[product.category] for product in products], dtype=np.int64)
        self._in_stock = np.array([product.in_stock for product in products], dtype=bool)
        popularity = np.array([product.popularity + 1 for product in products], dtype=np.float64)
        self._popularity = popularity / max(popularity.sum(), 1)
        self._number = np.zeros(len(products), dtype=np.int64)
        self._known = np.zeros(len(products), dtype=bool)
        self._is_new = np.zeros(len(products), dtype=bool)
        if recommender is not None:
            for place, product in enumerate(products):
                if product.id in recommender.number:
                    self._number[place], self._known[place] = recommender.number[product.id], True
            self._is_new = self._known & (self._number >= recommender.learned)
        if recommender is not None and candidates is not None:
            self._by_popularity = np.argsort(-self._popularity, kind="stable")
            self._place = np.full(len(recommender.items), -1)
            self._place[self._number[self._known]] = np.flatnonzero(self._known)

    @classmethod
    def load(cls, shop: Shop, catalogue: Catalogue, folder: Path | None) -> "Suggester":
        """With the checkpoint in a folder, if there is one. Products it has not seen are known by their words.

        Raises RecommenderError for a checkpoint that is damaged or not complete.
        """
        if folder is None or not folder.is_dir():
            return cls(shop, catalogue)
        words = {product.id: product_words(product) for product in shop.products}
        recommender = Recommender.load(folder, new_items=words)
        return cls(shop, catalogue, recommender, open_candidates(recommender, folder))

    def suggest(self, request: Request) -> list[Suggestion]:
        """At most k suggestions, best first."""
        return self.suggest_many([request])[0]

    def suggest_many(self, requests: Sequence[Request]) -> list[list[Suggestion]]:
        """The suggestions of each of several customers, whose histories the network reads in one step."""
        histories = [self.history(request) for request in requests]
        found = self._from_candidates(requests, histories)
        left = [row for row in range(len(requests)) if row not in found]
        tastes = self.tastes([histories[row] for row in left])
        for row, taste in zip(left, tastes, strict=True):
            found[row] = self._choose(requests[row], histories[row], taste)
        return [found[row] for row in range(len(requests))]

    def _from_candidates(
        self, requests: Sequence[Request], histories: Sequence[Sequence[CustomerEvent]]
    ) -> dict[int, list[Suggestion]]:
        """The suggestions, by row, of those for whom it is enough to look at what an index proposes.

        Not enough it is for a wish in words, for what is like a product, and where the masks leave too few.
        """
        found: dict[int, list[Suggestion]] = {}
        if self._candidates is None or self._recommender is None:
            return found
        known: dict[int, Events] = {}
        for row, (request, events) in enumerate(zip(requests, histories, strict=True)):
            history = self._recommender.history([(e.product_id, e.action, e.at) for e in events])
            in_words = bool(request.wish.strip()) and not says_only_limits(parse_wish(request.wish))
            is_alike = bool(request.about) or (not len(history) and self._latest_positive(events) is not None)
            if not in_words and not is_alike:
                known[row] = history
        for count in PROPOSED:
            pools = self._pools({row: some for row, some in known.items() if row not in found}, count)
            for row, (places, scores) in pools.items():
                is_new = not len(known[row])
                if some := self._among(requests[row], histories[row], places, scores, is_new):
                    found[row] = some
        return found

    def _pools(self, known: Mapping[int, Events], count: int) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Places of products with their scores, by row: what is proposed for a history, for an empty one what is popular."""
        assert self._candidates is not None
        popular = self._by_popularity[:count]
        pools = {
            row: (popular, self._popularity[popular]) for row, history in known.items() if not len(history)
        }
        asked = [row for row in known if row not in pools]
        if asked:
            proposals = self._candidates.propose([known[row] for row in asked], count)
            for row, proposal in zip(asked, proposals, strict=True):
                places = self._place[proposal.items]
                pools[row] = places[places >= 0], proposal.scores[places >= 0]
        return pools

    def _among(
        self,
        request: Request,
        events: Sequence[CustomerEvent],
        places: np.ndarray,
        scores: np.ndarray,
        is_new: bool,
    ) -> list[Suggestion]:
        """Suggestions among some products with their scores; none if too few of them may be suggested."""
        banned = [self._position[name] for name in self._banned(request, events) if name in self._position]
        allowed = self._catalogue.allowed(parse_wish(request.wish), places) & ~np.isin(places, banned)
        liked = {event.product_id for event in events if event.action == "category"} if is_new else set()
        kinds = self._kinds[places]
        if liked:
            allowed &= self._is_of(liked, kinds)
        if np.minimum(np.bincount(kinds[allowed & (scores > 0)]), PER_CATEGORY).sum() < request.k:
            return []
        chosen = varied(scores, allowed, kinds, request.k, lambda some: self._likeness(places[some]))
        return [
            Suggestion(self._shop.products[place], self._because(place, events))
            for place in places[chosen].tolist()
        ]

    def _choose(
        self, request: Request, events: Sequence[CustomerEvent], taste: np.ndarray | None
    ) -> list[Suggestion]:
        allowed = self._allowed(request, events)
        parsed = parse_wish(request.wish)
        if request.about:
            chosen = self._alike(request, allowed, taste)
        elif request.wish.strip() and not says_only_limits(parsed):
            banned = {self._shop.products[place].id for place in np.flatnonzero(~allowed)}
            found = self._catalogue.search(
                request.wish, request.language, request.k, banned, taste, PER_CATEGORY
            )
            return [Suggestion(product) for product in found]
        else:
            allowed &= self._catalogue.allowed(parsed)
            scores = self._popularity if taste is None else taste
            liked = {event.product_id for event in request.events if event.action == "category"}
            if taste is None and (kinds := allowed & self._is_of(liked)).any():
                allowed = kinds
            chosen = varied(scores, allowed, self._kinds, request.k, self._likeness)
            if taste is not None and (new := self._new_one(request, chosen, taste, allowed)) is not None:
                first = [Suggestion(self._shop.products[i], self._because(i, events)) for i in chosen[:-1]]
                return [*first, Suggestion(self._shop.products[new], is_new=True)]
            if taste is None and not request.wish.strip() and (last := self._latest_positive(events)):
                alike = self._alike(
                    Request(request.language, about=last.product_id, k=request.k), allowed, None
                )
                chosen = self._capped(dict.fromkeys([*alike, *chosen]), allowed, request.k)
        return [Suggestion(self._shop.products[place], self._because(place, events)) for place in chosen]

    def _new_one(
        self, request: Request, chosen: Sequence[int], taste: np.ndarray, allowed: np.ndarray
    ) -> int | None:
        """A product that training has not seen, for the last place; None if there is none, or it is not its turn.

        Counts know nothing of new products and the network has never seen one taken, so none would ever come
        (docs/decisions.md). Among themselves the network ranks them by their words. One in three lists has one.
        """
        if len(chosen) < max(2, request.k) or self._is_new[chosen].any():
            return None
        latest = sorted(request.shown, key=lambda one: one[1])[-(NEW_EVERY - 1) * request.k :]
        if any(name in self._position and self._is_new[self._position[name]] for name, _ in latest):
            return None
        kinds = self._kinds[allowed]
        taken = np.bincount(self._kinds[chosen[:-1]], minlength=len(self._kind_of))
        full = taken >= most_of_a_kind(kinds, request.k)
        new = np.flatnonzero(allowed & self._is_new & ~full[self._kinds])
        return int(new[np.argmax(taste[new])]) if len(new) else None

    def history(self, request: Request) -> list[CustomerEvent]:
        """Everything the customer did, oldest first: what they ordered, and their events."""
        bought = [
            CustomerEvent(item.product_id, "buy", _midnight(order))
            for order in request.orders
            for item in order.items
        ]
        return sorted([*bought, *request.events], key=lambda event: event.at)

    def tastes(self, histories: Sequence[Sequence[CustomerEvent]]) -> list[np.ndarray | None]:
        """The probability of each product being next, (products,), for each history; None for a newcomer's."""
        recommender = self._recommender
        if recommender is None:
            return [None] * len(histories)
        known = [
            recommender.history([(e.product_id, e.action, e.at) for e in events]) for events in histories
        ]
        asked = [row for row, history in enumerate(known) if len(history)]
        found: list[np.ndarray | None] = [None] * len(histories)
        if asked:
            scores = recommender.scores([known[row] for row in asked])  # (asked, items)
            for row, line in zip(asked, scores, strict=True):
                found[row] = np.where(self._known, line[self._number], 0.0)
        return found

    def why(self, product_id: str, request: Request, most: int = 3) -> list[CustomerEvent]:
        """The customer's own events that speak for a product, the weightiest first.

        Each is left out in turn; what the probability loses without it is its weight. Where none has any, the one that
        its card names: that whose product is most like it. Empty if the customer has done nothing that could speak for it.
        """
        place = self._position.get(product_id)
        events = [event for event in self.history(request) if event.product_id in self._position]
        named = self._because(place, events) if place is not None else None
        alike = [named] if named is not None and named.product_id != product_id else []
        return self._weighty(product_id, events, most) or alike

    def _weighty(self, product_id: str, events: Sequence[CustomerEvent], most: int) -> list[CustomerEvent]:
        """See `why`: the events without which the product would be less likely."""
        if self._recommender is None or product_id not in self._recommender.number or not events:
            return []
        known = [event for event in events if event.product_id in self._recommender.number][-_REASONS:]
        whole = self._recommender.history([(e.product_id, e.action, e.at) for e in known])
        if len(known) < 2:
            return known if known and known[0].action not in NEGATIVE_ACTIONS else []
        without = [whole[np.arange(len(whole)) != left_out] for left_out in range(len(whole))]
        number = self._recommender.number[product_id]
        scores = np.log(self._chances([whole, *without], number) + 1e-12)
        weights = scores[0] - scores[1:]
        order = [int(i) for i in np.argsort(-weights, kind="stable") if weights[i] > 0]
        found: dict[str, CustomerEvent] = {}
        for i in order:
            if known[i].action not in NEGATIVE_ACTIONS and known[i].product_id != product_id:
                found.setdefault(known[i].product_id, known[i])
        return list(found.values())[:most]

    def _chances(self, histories: Sequence[Events], number: int) -> np.ndarray:
        """The probability of one item being next, for each history: (B,)."""
        assert self._recommender is not None
        if self._candidates is None:
            return self._recommender.scores(histories)[:, number]
        proposals = self._candidates.propose(histories, PROPOSED[0], also=(number,))
        return np.array([some.scores[np.searchsorted(some.items, number)] for some in proposals])

    def spread(self, categories: Collection[str], k: int = 6, exclude: Collection[str] = ()) -> list[Product]:
        """Well-spread products for a newcomer to judge: popular ones, as different from each other as can be."""
        allowed = self._in_stock & ~np.isin(
            np.array([product.id for product in self._shop.products]), list(exclude)
        )
        if categories:
            allowed &= self._is_of(categories)
        chosen = varied(self._popularity, allowed, self._kinds, k, self._likeness, relevance=0.3)
        return [self._shop.products[place] for place in chosen]

    def _allowed(self, request: Request, events: Sequence[CustomerEvent]) -> np.ndarray:
        """What may be suggested at all."""
        allowed = self._in_stock.copy()
        for product_id in self._banned(request, events):
            if product_id in self._position:
                allowed[self._position[product_id]] = False
        return allowed

    def _banned(self, request: Request, events: Sequence[CustomerEvent]) -> set[str]:
        """What may not be suggested to this customer now, though it be in stock."""
        opinion = {event.product_id: _OPINIONS[event.action] for event in events if event.action in _OPINIONS}
        banned = {event.product_id for event in events if event.action not in ("shown", "category")}
        banned |= {product_id for product_id, likes in opinion.items() if not likes}
        banned |= {product_id for product_id, at in request.shown if request.now - at < COOL_DOWN}
        return banned | {*request.exclude, request.about}

    def _alike(self, request: Request, allowed: np.ndarray, taste: np.ndarray | None) -> list[int]:
        """Products like one, by words and kind, and by taste where there is one."""
        place = self._position.get(request.about)
        if place is None:
            return []
        if request.cheaper:
            price: Decimal = self._shop.products[place].price
            allowed = allowed & np.array([product.price < price for product in self._shop.products])
        banned = {self._shop.products[i].id for i in np.flatnonzero(~allowed)}
        found = self._catalogue.similar(request.about, request.k, banned, taste)
        chosen = [self._position[product.id] for product in found]
        if request.cheaper:  # the same kind first: cheaper of another kind is no answer
            kind = self._kinds[place]
            chosen.sort(key=lambda i: self._kinds[i] != kind)
        return chosen

    def _capped(self, places: Iterable[int], allowed: np.ndarray, k: int) -> list[int]:
        """The first k of these that leave each category its share."""
        most, taken, chosen = most_of_a_kind(self._kinds[allowed], k), Counter[int](), list[int]()
        for place in places:
            kind = int(self._kinds[place])
            if taken[kind] < most and len(chosen) < k:
                taken[kind] += 1
                chosen.append(place)
        return chosen

    def _likeness(self, places: np.ndarray) -> np.ndarray:
        """How alike some products are, (P, P) from 0 to 1: by the network's vectors, else by category."""
        kind = self._kinds[places]
        same = (kind[:, None] == kind[None, :]).astype(np.float64)
        if self._recommender is None:
            return same
        vectors = self._recommender.directions[torch.from_numpy(self._number[places])].cpu().numpy()
        return np.clip(0.5 * same + 0.5 * np.clip(vectors @ vectors.T, 0, 1), 0, 1)

    def _is_of(self, categories: Collection[str], kinds: np.ndarray | None = None) -> np.ndarray:
        """Which products, all or those of some `kinds`, are of one of these categories."""
        numbers = [self._kind_of[name] for name in categories if name in self._kind_of]
        return np.isin(self._kinds if kinds is None else kinds, numbers)

    def _latest_positive(self, events: Sequence[CustomerEvent]) -> CustomerEvent | None:
        return next(
            (e for e in reversed(events) if e.action in _TELLING and e.product_id in self._position), None
        )

    def _because(self, place: int, events: Sequence[CustomerEvent]) -> CustomerEvent | None:
        """The customer's event whose product is most like this one, the newer the better."""
        telling = [e for e in events if e.action in _TELLING and e.product_id in self._position][-_REASONS:]
        if not telling:
            return None
        places = np.array([self._position[event.product_id] for event in telling])
        near = self._likeness(np.append(places, place))[-1, :-1]
        best = int(np.argmax(near + 0.02 * np.arange(len(telling)) / len(telling)))
        return telling[best]


def product_words(product: Product) -> list[str]:
    """The words by which a network knows a product."""
    text = product.en or product.zh
    assert text is not None
    return ItemText(text.title, f"{product.category} {' '.join(product.tags)}", "").words()


def _midnight(order: Order) -> float:
    return datetime(order.placed.year, order.placed.month, order.placed.day, tzinfo=UTC).timestamp()
