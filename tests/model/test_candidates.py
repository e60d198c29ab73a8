"""Suggestions out of a large catalogue: an index proposes, and nothing passes the masks that would not have passed before."""

import logging
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from model.candidates import FILE, open_candidates
from model.knowledge import Catalogue, parse_wish
from model.neighbours import Neighbours
from model.recommender import BehaviourConfig, BehaviourGPT, Recommender
from model.suggester import COOL_DOWN, PROPOSED, Request, Suggester
from model.transitions import Transitions
from model.types import CustomerEvent
from tests.model.test_suggester import ACTIONS, NOW, make_shop

pytest.importorskip("usearch", reason='the extra `index` is not installed: pip install "kefu[index]"')

ITEMS = 3 * PROPOSED[0]
FEW = 6


def make_recommender(items, width=16, clusters=0):
    """A network of random vectors, alone or around some centres, blended with random counts."""
    torch.manual_seed(1)
    shape = BehaviourConfig(items, len(ACTIONS), words=0, context=16, layers=1, width=width, hidden=16)
    model = BehaviourGPT(shape)
    if clusters:
        centres = torch.randn(clusters, width)
        around = centres[torch.randint(clusters, (items,))] + 0.3 * torch.randn(items, width)
        model.item.weight.data = 0.1 * around
    transitions = Transitions(random_table(items, 1))
    neighbours = Neighbours(random_table(items, 2), sharpness=2.0)
    names = [f"P{number}" for number in range(items)]
    return Recommender(model, names, ACTIONS, transitions, 0.3, None, neighbours, 0.2)


def random_table(items, seed, entries=20):
    generator = np.random.default_rng(seed)
    columns, values = generator.integers(0, items, items * entries), generator.random(items * entries) - 0.1
    return sparse.csr_matrix((values, columns, np.arange(0, items * entries + 1, entries)), (items, items))


def histories_of(recommender, number, seed=1):
    generator = np.random.default_rng(seed)
    return [
        recommender.history([(f"P{item}", "view", float(at)) for at, item in enumerate(items)])
        for items in generator.integers(0, len(recommender.items), (number, 12)).tolist()
    ]


def make_pair(stocks):
    """The same shop asked through an index, and with everything scored."""
    shop = make_shop(stocks, [1 + number % 60 for number in range(len(stocks))])
    recommender = make_recommender(len(stocks))
    catalogue = Catalogue(shop, ("en",))
    candidates = open_candidates(recommender, exact=100)
    assert candidates
    return Suggester(shop, catalogue, recommender, candidates), Suggester(shop, catalogue, recommender)


@pytest.fixture(scope="module")
def pair():
    return make_pair([number % 3 for number in range(ITEMS)])


ids = st.integers(0, ITEMS + 1).map(lambda number: f"P{number}")
events = st.lists(
    st.builds(CustomerEvent, ids, st.sampled_from(ACTIONS), st.floats(0, NOW)), max_size=12
).map(tuple)
shown = st.lists(st.tuples(ids, st.floats(NOW - 2 * COOL_DOWN, NOW)), max_size=40).map(tuple)


@settings(max_examples=60, deadline=None)
@given(
    events,
    shown,
    st.sampled_from(("", "under 20", "between 10 and 30", "over 50")),
    st.integers(1, 8),
    st.booleans(),
)
def test_nothing_that_is_masked_comes_out_of_the_index_either(pair, history, before, wish, k, hide_best):
    quick, _ = pair
    request = Request("en", wish, history, (), before, k=k, now=NOW)
    if hide_best:  # what the index would have proposed first was shown an hour ago
        best = tuple((one.product.id, NOW - 3600) for one in quick.suggest(request))
        request = Request("en", wish, history, (), (*before, *best), k=k, now=NOW)
    found = [suggestion.product for suggestion in quick.suggest(request)]
    assert len(found) == k and len({product.id for product in found}) == k
    kinds = [product.category for product in found]
    assert all(kinds.count(kind) <= 2 for kind in kinds)
    for product in found:
        assert product.in_stock and parse_wish(wish).allows(product)
        assert product.id not in {event.product_id for event in history}
        assert product.id not in {name for name, at in request.shown if NOW - at < COOL_DOWN}


def test_what_the_masks_leave_is_found_however_little_it_is():
    stocks = [0] * ITEMS
    for number in range(5, ITEMS, ITEMS // FEW):
        stocks[number] = 1
    quick, exact = make_pair(stocks)
    for history in ((), (CustomerEvent("P1", "like", 1.0), CustomerEvent("P2", "view", 2.0))):
        for k in (1, 3, 8):
            request = Request(events=history, k=k, now=NOW)
            assert quick.suggest(request) == exact.suggest(request)


def test_customers_who_ask_together_get_what_each_gets_alone(pair):
    quick, exact = pair
    like = CustomerEvent("P7", "like", 1.0)
    requests = [
        Request(now=NOW),
        Request(events=(like,), now=NOW),
        Request(events=(CustomerEvent("tea", "category", 1.0),), now=NOW),
        Request(about="P9", events=(like,), cheaper=True, now=NOW),
        Request(wish="under 20", events=(like, CustomerEvent("P9", "dislike", 2.0)), now=NOW),
    ]
    alone = [quick.suggest(request) for request in requests]
    assert quick.suggest_many(requests) == alone
    assert alone[0] == exact.suggest(requests[0]) and alone[2] == exact.suggest(requests[2])


def test_probabilities_of_candidates_are_those_of_scoring_everything(pair):
    recommender = make_recommender(ITEMS)
    candidates = open_candidates(recommender, exact=100)
    histories = histories_of(recommender, 20)
    whole = recommender.scores(histories)
    for row, (items, scores) in enumerate(candidates.propose(histories, PROPOSED[0])):
        assert np.allclose(scores, whole[row, items], rtol=0.02, atol=1e-7)


def test_why_names_the_same_events_through_the_index(pair):
    quick, exact = pair
    history = tuple(CustomerEvent(f"P{n}", "like", float(n)) for n in (3, 50, 700, 2000))
    for product in ("P9", "P1500"):
        request = Request(events=history, now=NOW)
        assert {one.product_id for one in quick.why(product, request)} & {
            one.product_id for one in exact.why(product, request)
        }


@pytest.mark.slow
@pytest.mark.parametrize(("clusters", "floor"), [(500, 0.98), (0, 0.98)])
def test_the_index_proposes_the_best_ten_of_a_large_catalogue(clusters, floor):
    recommender = make_recommender(120_000, clusters=clusters)
    candidates = open_candidates(recommender)
    histories = histories_of(recommender, 50)
    alone = np.argsort(-recommender.scores(histories, alone=True), axis=1)[:, :10]
    near = candidates.nearest(recommender.states(histories), PROPOSED[0])
    proposed = [len(np.intersect1d(best, some)) for best, some in zip(alone, near, strict=True)]
    assert np.mean(proposed) / 10 >= floor
    blended = np.argsort(-recommender.scores(histories), axis=1)[:, :10]
    found = [
        len(np.intersect1d(best, items[np.argsort(-scores)[:10]]))
        for best, (items, scores) in zip(blended, candidates.propose(histories, PROPOSED[0]), strict=True)
    ]
    assert np.mean(found) / 10 >= floor


def test_an_index_is_kept_beside_its_vectors_and_built_anew_for_others(tmp_path):
    steps = []
    recommender = make_recommender(2000)
    histories = histories_of(recommender, 3)

    def proposed(some):
        candidates = open_candidates(some, tmp_path, 100, lambda done, items: steps.append(done))
        return [items.tolist() for items, _ in candidates.propose(histories, 50)]

    first = proposed(recommender)
    assert steps == [1000, 2000]
    assert proposed(recommender) == first and len(steps) == 2
    path = tmp_path / FILE
    data = bytearray(path.read_bytes())
    data[-100] ^= 255
    path.write_bytes(data)
    assert proposed(recommender) == first and len(steps) == 4
    assert proposed(make_recommender(2000, clusters=10)) != first and len(steps) == 6


def test_without_the_package_everything_is_scored_and_a_line_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    recommender = make_recommender(300)
    with caplog.at_level(logging.WARNING):
        assert open_candidates(recommender, exact=100) is None
    assert "extra `index`" in caplog.text
    assert open_candidates(recommender) is None
