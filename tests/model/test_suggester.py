"""What may never be suggested, whatever a customer did: tested over histories, wishes and stocks made up by hypothesis."""

from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.interactions import Events
from model.knowledge import Catalogue, parse_wish
from model.recommender import BehaviourConfig, BehaviourGPT, Recommender, hash_words
from model.shop import OrderList, Product, ProductText, Profile, Shop
from model.suggester import COOL_DOWN, PER_CATEGORY, Request, Suggester, product_words
from model.types import CustomerEvent

ACTIONS = ("view", "like", "dislike", "more", "cheaper", "buy", "less")
NOW = 2_000_000_000.0
CATEGORIES = ("lamps", "tea", "toys", "bags")


def make_shop(stocks, prices):
    products = [
        Product(
            id=f"P{number}",
            category=CATEGORIES[number % len(CATEGORIES)],
            price=Decimal(price),
            currency="EUR",
            stock=stock,
            popularity=number,
            en=ProductText(title=f"Thing {number}", description="A useful thing."),
        )
        for number, (stock, price) in enumerate(zip(stocks, prices, strict=True))
    ]
    return Shop(Profile(name={"en": "Shop"}, currency="EUR"), products, (), OrderList(()))


def make_suggester(shop, with_network=True, learned=None):
    catalogue = Catalogue(shop, ("en",))
    if not with_network:
        return Suggester(shop, catalogue)
    torch.manual_seed(1)
    words = [hash_words(product_words(product), 64) for product in shop.products]
    shape = BehaviourConfig(len(words), len(ACTIONS), words=64, context=16, layers=1, width=16, hidden=16)
    model = BehaviourGPT(shape, words)
    return Suggester(
        shop, catalogue, Recommender(model, [p.id for p in shop.products], ACTIONS, learned=learned)
    )


SIZE = 16
shops = st.tuples(
    st.lists(st.integers(0, 2), min_size=SIZE, max_size=SIZE),
    st.lists(st.integers(1, 60), min_size=SIZE, max_size=SIZE),
    st.booleans(),
)
ids = st.integers(0, SIZE + 1).map(lambda number: f"P{number}")
events = st.lists(
    st.builds(CustomerEvent, ids, st.sampled_from(ACTIONS), st.floats(0, NOW)), max_size=12
).map(tuple)
shown = st.lists(st.tuples(ids, st.floats(NOW - 2 * COOL_DOWN, NOW)), max_size=8).map(tuple)
wishes = st.sampled_from(("", "under 20", "between 10 and 30", "a useful thing under 25", "thing", "over 40"))


def most_of(shop, request, kinds):
    """How many of a category may be suggested: two, more only if what is left is of too few categories for k."""
    gone = {event.product_id for event in request.events}
    gone |= {name for name, at in request.shown if request.now - at < COOL_DOWN}
    limits = parse_wish(request.wish)
    left = {p.category for p in shop.products if p.in_stock and p.id not in gone and limits.allows(p)}
    return max(PER_CATEGORY, -(-request.k // max(1, len(left))))


@settings(max_examples=60, deadline=None)
@given(shops, events, shown, wishes, st.integers(1, 8), st.one_of(st.just(""), ids), st.booleans())
def test_nothing_is_suggested_that_is_out_of_stock_disliked_shown_or_outside_the_wish(
    made, history, before, wish, k, about, cheaper
):
    shop = make_shop(*made[:2])
    wish = "" if about else wish
    request = Request("en", wish, history, (), before, about=about, cheaper=cheaper, k=k, now=NOW)
    suggester = make_suggester(shop, made[2], learned=SIZE - 5)
    found = [suggestion.product for suggestion in suggester.suggest(request)]
    assert len(found) <= k and len({product.id for product in found}) == len(found)
    limits = parse_wish(wish)
    if not about:
        kinds = [product.category for product in found]
        assert all(kinds.count(kind) <= most_of(shop, request, kinds) for kind in set(kinds))
    for product in found:
        assert product.in_stock and limits.allows(product)
        assert product.id not in {event.product_id for event in history}
        assert product.id not in {name for name, at in before if NOW - at < COOL_DOWN}
        assert product.id != about
        if about and cheaper:
            assert product.price < shop.product(about).price


@settings(max_examples=30, deadline=None)
@given(shops, events, st.integers(1, 8))
def test_at_most_two_of_a_category_are_suggested_without_a_wish(made, history, k):
    shop = make_shop([1] * SIZE, made[1])
    found = make_suggester(shop, learned=SIZE - 5).suggest(Request(events=history, k=k, now=NOW))
    kinds = [suggestion.product.category for suggestion in found]
    left = {p.category for p in shop.products if p.id not in {event.product_id for event in history}}
    most = max(PER_CATEGORY, -(-k // max(1, len(left))))
    assert all(kinds.count(kind) <= most for kind in kinds)


def test_a_wish_in_words_gets_two_of_a_category_and_what_else_fits():
    suggester = make_suggester(make_shop([1] * SIZE, [10] * SIZE), with_network=False)
    found = suggester.suggest(Request(wish="a useful thing of tea", k=5, now=NOW))
    kinds = [suggestion.product.category for suggestion in found]
    assert len(kinds) == 5 and kinds.count("tea") == 2
    only = suggester.suggest(Request(wish="tea", k=3, now=NOW))
    assert [suggestion.product.category for suggestion in only] == ["tea"] * 3


def test_a_like_changes_the_very_next_suggestion():
    suggester = make_suggester(make_shop([1] * SIZE, [10] * SIZE))
    liked = CustomerEvent("P5", "like", NOW)
    before = suggester.suggest(Request(events=(), now=NOW))
    after = suggester.suggest(Request(events=(liked,), now=NOW))
    assert [s.because for s in before] == [None] * 3
    assert [s.because for s in after] == [liked] * 3


def test_one_list_in_three_ends_with_a_product_that_training_has_not_seen():
    suggester = make_suggester(make_shop([1] * SIZE, [10] * SIZE), learned=SIZE - 4)
    suggester.tastes = lambda histories: [np.where(np.arange(SIZE) < SIZE - 4, 0.08, 0.01)] * len(histories)
    liked = (CustomerEvent("P0", "like", NOW),)
    shown, news = [], []
    for turn in range(4):
        found = suggester.suggest(Request(events=liked, shown=tuple(shown), now=NOW + turn))
        shown += [(suggestion.product.id, NOW + turn) for suggestion in found]
        assert len(found) == 3 and not any(suggestion.is_new for suggestion in found[:-1])
        news.append(found[-1].is_new)
        if found[-1].is_new:
            assert int(found[-1].product.id[1:]) >= SIZE - 4
    assert news == [True, False, False, True]


def test_nothing_is_called_new_to_newcomers_nor_where_training_has_seen_all():
    shop = make_shop([1] * SIZE, [10] * SIZE)
    liked = (CustomerEvent("P0", "like", NOW),)
    for suggester, events in ((make_suggester(shop), liked), (make_suggester(shop, learned=3), ())):
        assert not any(suggestion.is_new for suggestion in suggester.suggest(Request(events=events, now=NOW)))


def test_why_names_only_the_customers_own_wanted_products():
    suggester = make_suggester(make_shop([1] * SIZE, [10] * SIZE))
    history = tuple(
        CustomerEvent(f"P{n}", action, NOW + n) for n, action in enumerate(("like", "dislike", "view", "buy"))
    )
    reasons = suggester.why("P9", Request(events=history, now=NOW))
    assert set(reasons) <= set(history) and all(event.action != "dislike" for event in reasons)


def test_why_does_not_deny_what_the_card_says():
    suggester = make_suggester(make_shop([1] * SIZE, [10] * SIZE))
    history = (CustomerEvent("P5", "like", NOW), CustomerEvent("P6", "dislike", NOW + 1))
    for suggestion in suggester.suggest(Request(events=history, k=5, now=NOW + 2)):
        assert suggestion.because
        assert suggester.why(suggestion.product.id, Request(events=history, now=NOW + 2))


def test_spread_gives_a_newcomer_different_kinds():
    suggester = make_suggester(make_shop([1] * SIZE, [10] * SIZE), with_network=False)
    products = suggester.spread((), 4)
    assert {product.category for product in products} == set(CATEGORIES)
    only = suggester.spread(("tea",), 3)
    assert {product.category for product in only} == {"tea"}


def test_a_product_the_network_never_saw_is_known_by_its_words(tmp_path):
    shop = make_shop([1] * SIZE, [10] * SIZE)
    make_suggester(shop)._recommender.save(tmp_path)
    loaded = Recommender.load(tmp_path, new_items={"NEW": ["thing", "tea"]})
    assert loaded.items[-1] == "NEW" and loaded.vectors[-1].abs().sum() > 0
    history = loaded.history([("P1", "view", 1.0), ("unknown", "view", 2.0)])
    assert isinstance(history, Events) and len(history) == 1
    assert loaded.scores([history]).sum() == pytest.approx(1, abs=1e-3)
