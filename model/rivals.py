"""The classical methods that the behaviour GPT is measured against, each really fitted on the same training part.

A rival is fitted on a split, its one or two settings chosen by validation, and then scores cases. It knows what any
model may know at that moment: the whole history of a case. Networks are in `model/sequence_rivals.py`.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy import sparse

from model.neighbours import EASE_ITEMS, ease_weights, incidence
from model.ranking import Case, Score, Split, quick_ndcg
from model.transitions import Transitions

_RECENT = 0.05
"""Recent popularity counts the latest 5 % of the training events."""

_TUNED_ON = 500


class RivalError(ValueError):
    """A rival that cannot be fitted here; the text says why."""


def popularity(cut: Split) -> Score:
    """How often each item was used."""
    counts = cut.popularity()
    return lambda cases: np.tile(counts, (len(cases), 1))


def recent_popularity(cut: Split) -> Score:
    """How often each item was used lately; without clock times in the latest events of each user."""
    counts = np.zeros(len(cut.data.items))
    if cut.data.has_times:
        border = np.nanquantile(np.concatenate([events.times for events in cut.train]), 1 - _RECENT)
        for events in cut.train:
            np.add.at(counts, events.items[events.times >= border], 1)
    else:
        for events in cut.train:
            np.add.at(counts, events.items[-max(1, round(_RECENT * len(events))) :], 1)
    return lambda cases: np.tile(counts, (len(cases), 1))


def item_knn(cut: Split) -> Score:
    """Items like those in the history, by the cosine of their users (implicit's CosineRecommender)."""
    from implicit.nearest_neighbours import CosineRecommender

    users = incidence([events.items for events in cut.train], len(cut.data.items))

    def fit(neighbours: int) -> Score:
        model = CosineRecommender(K=neighbours, num_threads=1)
        model.fit(users, show_progress=False)
        return lambda cases: (_histories(cases, users.shape[1]) @ model.similarity).toarray()

    return _best(cut, map(fit, (20, 100, 1000)))


def als(cut: Split) -> Score:
    """Matrix factorisation by alternating least squares (implicit); factors of a history are solved for anew."""
    from implicit.als import AlternatingLeastSquares

    users = incidence([events.items for events in cut.train], len(cut.data.items))

    def fit(regularisation: float) -> Score:
        model = AlternatingLeastSquares(
            factors=64, regularization=regularisation, iterations=15, random_state=1, num_threads=1
        )
        model.fit(users, show_progress=False)

        def score(cases: Sequence[Case]) -> np.ndarray:
            histories = _histories(cases, users.shape[1])
            factors = model.recalculate_user(np.arange(len(cases)), histories)
            return np.asarray(factors) @ np.asarray(model.item_factors).T

        return score

    return _best(cut, map(fit, (0.05, 1.0, 10.0)))


def bpr(cut: Split) -> Score:
    """Matrix factorisation by Bayesian personalised ranking (implicit); a user's factors are those of the training."""
    from implicit.bpr import BayesianPersonalizedRanking

    users = incidence([events.items for events in cut.train], len(cut.data.items))

    def fit(rate: float) -> Score:
        model = BayesianPersonalizedRanking(
            factors=64, learning_rate=rate, regularization=0.01, iterations=100, random_state=1, num_threads=1
        )
        model.fit(users, show_progress=False)
        mine, theirs = np.asarray(model.user_factors), np.asarray(model.item_factors)
        return lambda cases: mine[[case.user for case in cases]] @ theirs.T

    return _best(cut, map(fit, (0.01, 0.05)))


def ease(cut: Split) -> Score:
    """EASE^R, the closed form of a linear autoencoder without its diagonal (Steck, arXiv 1905.03375)."""
    n = len(cut.data.items)
    if n > EASE_ITEMS:
        raise RivalError(f"EASE needs a dense matrix of {n:,} by {n:,} items; left out above {EASE_ITEMS:,}")
    users = incidence([events.items for events in cut.train], n)

    def fit(regularisation: float) -> Score:
        weights = ease_weights(users, regularisation)
        return lambda cases: _histories(cases, n) @ weights

    return _best(cut, map(fit, (100.0, 400.0)))


def transitions(cut: Split) -> Score:
    """What tends to follow what (`model/transitions.py`)."""
    sequences = [events.items for events in cut.train]

    def fit(decay: float) -> Score:
        model = Transitions.count(sequences, len(cut.data.items), decay=decay)
        return lambda cases: model.scores([case.history.items for case in cases])

    return _best(cut, map(fit, (0.5, 0.7, 0.85, 0.95)))


CLASSICAL: dict[str, Callable[[Split], Score]] = {
    "popularity": popularity,
    "recent-popularity": recent_popularity,
    "item-knn": item_knn,
    "als": als,
    "bpr": bpr,
    "ease": ease,
    "transitions": transitions,
}


def _best(cut: Split, candidates: Iterable[Score]) -> Score:
    cases = cut.validation[:: max(1, len(cut.validation) // _TUNED_ON)]
    return max(candidates, key=lambda score: quick_ndcg(score, cases, cut.seen))


def _histories(cases: Sequence[Case], items: int) -> sparse.csr_matrix:
    return incidence([case.history.items for case in cases], items)
