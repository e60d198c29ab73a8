"""Variety among scored products: none like another, and no category with more than its share. Knows only arrays.

All arrays are aligned: one place a product, be they all of a catalogue or some.
"""

from collections.abc import Callable

import numpy as np

PER_CATEGORY = 2
RELEVANCE = 0.75
"""Weight of a product's own score against its likeness to what is chosen already (Carbonell and Goldstein 1998)."""

_POOL = 60


def varied(
    scores: np.ndarray,
    allowed: np.ndarray,
    kinds: np.ndarray,
    k: int,
    likeness: Callable[[np.ndarray], np.ndarray],
    relevance: float = RELEVANCE,
) -> list[int]:
    """Maximal marginal relevance among the best, at most PER_CATEGORY of a category (more only for a k beyond that).

    likeness: how alike the products at P places are, (P, P) from 0 to 1.
    """
    places = np.flatnonzero(allowed & (scores > 0))
    if not len(places):
        return []
    wanted = min(len(places), max(_POOL, 4 * k))
    if len(places) > wanted:
        places = places[np.argpartition(-scores[places], wanted - 1)[:wanted]]
    most = PER_CATEGORY
    if k > PER_CATEGORY:
        most = most_of_a_kind(kinds[allowed], k)
        places = _with_other_kinds(places, scores, allowed, kinds, k, most)
    places = places[np.argsort(-scores[places], kind="stable")]
    worth = scores[places] / scores[places].max()
    alike = likeness(places)
    chosen: list[int] = []
    nearest = np.zeros(len(places))
    open_ = np.ones(len(places), dtype=bool)
    taken: dict[int, int] = {}
    while len(chosen) < k and open_.any():
        values = np.where(open_, relevance * worth - (1 - relevance) * nearest, -np.inf)
        best = int(np.argmax(values))
        chosen.append(best)
        open_[best] = False
        nearest = np.maximum(nearest, alike[best])
        kind = int(kinds[places[best]])
        taken[kind] = taken.get(kind, 0) + 1
        if taken[kind] >= most:
            open_ &= kinds[places] != kind
    return [int(places[i]) for i in chosen]


def most_of_a_kind(kinds: np.ndarray, k: int) -> int:
    """How many of a category may be among k of these: more than PER_CATEGORY if there are too few categories."""
    everywhere = np.count_nonzero(np.bincount(kinds, minlength=1))
    return max(PER_CATEGORY, -(-k // max(1, everywhere)))


def _with_other_kinds(
    places: np.ndarray, scores: np.ndarray, allowed: np.ndarray, kinds: np.ndarray, k: int, most: int
) -> np.ndarray:
    """The pool, with the best of other categories if its own cannot fill k places."""
    counts = np.bincount(kinds[places], minlength=int(kinds.max(initial=0)) + 1)
    if np.minimum(counts, most).sum() >= k:
        return places
    others = np.flatnonzero(allowed & (scores > 0) & (counts[kinds] == 0))
    more: dict[int, list[int]] = {}
    for place in others[np.argsort(-scores[others], kind="stable")]:
        some = more.setdefault(int(kinds[place]), [])
        if len(some) < most:
            some.append(int(place))
    return np.concatenate([places, np.array([i for some in more.values() for i in some], dtype=np.int64)])
