"""How long a suggestion takes over a large catalogue, with everything that is done for it but the words of a wish.

The network has random weights and the shape of a trained one, and both tables are blended in: the time does not
depend on what it has learned. Items of a category lie near each other, as they come to do in training: how long an
index takes to build, and what it finds, does depend on that.
"""

import resource
import time
from decimal import Decimal
from random import Random

import numpy as np
import torch
from scipy import sparse

from model.candidates import Candidates, OnStep, open_candidates
from model.knowledge import Catalogue
from model.neighbours import Neighbours
from model.recommender import BehaviourConfig, BehaviourGPT, Recommender
from model.shop import OrderList, Product, ProductText, Profile, Shop
from model.suggester import PROPOSED, Request, Suggester
from model.transitions import Transitions
from model.types import CustomerEvent

_CATEGORIES = 200
_ENTRIES = 50
_EVENTS = 40
_SPREAD = 0.6
"""How far the items of a category lie from its centre, beside how far the centres lie from each other."""

_ACTIONS = ("buy", "dislike", "like", "view")


def measure_latency(
    items: int,
    requests: int,
    threads: int = 1,
    width: int = 64,
    seed: int = 1,
    use_index: bool = True,
    on_step: OnStep | None = None,
) -> dict[str, float]:
    """Milliseconds a request at the median and the 99th percentile; `cpu_` counts only this process's own work.

    Above the limit of exact scoring, unless `use_index` is false or `usearch` is missing, also what building the index took
    (`on_step` hears of it), its megabytes of memory, and how many of the network's
    best ten it proposes.
    """
    torch.set_num_threads(threads)
    rng = Random(seed)
    shop, recommender = _shop(items, rng), _recommender(items, width)
    began, worked = time.perf_counter(), time.process_time()
    candidates = open_candidates(recommender, on_step=on_step) if use_index else None
    about_index: dict[str, float] = {}
    if candidates:
        about_index = {
            "build_s": round(time.perf_counter() - began, 1),
            "build_cpu_s": round(time.process_time() - worked, 1),
            "index_mb": round(candidates.size / 1e6),
            "recall@10": round(_recall(recommender, candidates, rng), 3),
        }
    suggester = Suggester(shop, Catalogue(shop, ()), recommender, candidates)
    wall, own = [], []
    for number in range(requests + 10):
        events = tuple(
            CustomerEvent(f"P{rng.randrange(items)}", rng.choice(_ACTIONS), float(at))
            for at in range(_EVENTS)
        )
        wish = rng.choice(("", "under 50"))
        began, worked = time.perf_counter(), time.process_time()
        found = suggester.suggest(Request(wish=wish, events=events, k=3))
        if number >= 10:  # the first ones warm up
            wall.append(1000 * (time.perf_counter() - began))
            own.append(1000 * (time.process_time() - worked))
        assert len(found) == 3
    return {
        "items": items,
        "requests": requests,
        "threads": threads,
        "p50_ms": round(float(np.quantile(wall, 0.5)), 1),
        "p99_ms": round(float(np.quantile(wall, 0.99)), 1),
        "cpu_p50_ms": round(float(np.quantile(own, 0.5)), 1),
        "cpu_p99_ms": round(float(np.quantile(own, 0.99)), 1),
        "peak_mb": round(_peak()),
        **about_index,
    }


def _peak() -> float:
    """The most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _recall(recommender: Recommender, candidates: Candidates, rng: Random, histories: int = 50) -> float:
    """How many of the network's best ten an index proposes, from 0 to 1."""
    found = 0
    for _ in range(histories):
        events = [(f"P{rng.randrange(len(recommender.items))}", "view", float(at)) for at in range(_EVENTS)]
        history = [recommender.history(events)]
        best = np.argsort(-recommender.scores(history, alone=True)[0], kind="stable")[:10]
        found += np.isin(best, candidates.nearest(recommender.states(history), PROPOSED[0])[0]).sum()
    return found / (10 * histories)


def _shop(items: int, rng: Random) -> Shop:
    text = ProductText(title="Thing")
    products = [
        Product.model_construct(
            id=f"P{number}",
            category=f"c{number % _CATEGORIES}",
            tags=(),
            price=Decimal(rng.randrange(1, 200)),
            currency="EUR",
            stock=rng.randrange(0, 10),
            popularity=rng.randrange(100),
            en=text,
            zh=None,
        )
        for number in range(items)
    ]
    return Shop(Profile(name={"en": "Shop"}, currency="EUR"), products, (), OrderList(()))


def _recommender(items: int, width: int) -> Recommender:
    torch.manual_seed(1)
    shape = BehaviourConfig(items, len(_ACTIONS), words=0, width=width, layers=1, recurrent=1)
    model = BehaviourGPT(shape)
    centres = torch.randn(_CATEGORIES, width)
    with torch.no_grad():
        model.item.weight.mul_(_SPREAD).add_(0.02 * centres[torch.arange(items) % _CATEGORIES])
    return Recommender(
        model,
        [f"P{number}" for number in range(items)],
        _ACTIONS,
        transitions=Transitions(_table(items)),
        blend=0.3,
        neighbours=Neighbours(_table(items), sharpness=2.0),
        share=0.2,
    )


def _table(items: int) -> sparse.csr_matrix:
    """A random table of items by items, with as many entries in a row as real ones have."""
    generator = np.random.default_rng(1)
    columns = generator.integers(0, items, items * _ENTRIES)
    values = generator.random(items * _ENTRIES)
    starts = np.arange(0, items * _ENTRIES + 1, _ENTRIES)
    return sparse.csr_matrix((values, columns, starts), shape=(items, items))
