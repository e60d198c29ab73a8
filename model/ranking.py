"""How suggestions are examined: what is held back, full ranking, metrics with their intervals.

Three protocols. `last`: each user's last event is the test, the one before is validation. `basket`: the same with the
last two baskets, all items of which are right. `time`: one moment for everybody, what a user takes later is right.
Every item that anybody used is ranked, none is sampled. With `seen="exclude"` what a user had before is neither
ranked nor asked for. Knows no model: a model is something that scores histories.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.interactions import Events, Interactions

ProtocolName = Literal["last", "basket", "time"]
Seen = Literal["exclude", "include"]

CUTS = (1, 5, 10, 20)
ROWS = 256
"""Histories scored at a time."""

_GAINS = 1 / np.log2(np.arange(2, max(CUTS) + 2))
"""What a right item is worth at each place."""

_RESAMPLES = 1000
_EVENTS_NEEDED = 3


@dataclass(frozen=True)
class Case:
    """One question: what will this user take after this history? `right` are all good answers."""

    user: int
    history: Events
    right: np.ndarray


@dataclass(frozen=True)
class Split:
    """A data set cut for an examination. `train` has an entry for each user, possibly without events."""

    data: Interactions
    protocol: ProtocolName
    seen: Seen
    train: tuple[Events, ...]
    validation: tuple[Case, ...]
    test: tuple[Case, ...]
    left_out: int
    """Test cases whose right answers were all seen before, and so are not asked when seen items are excluded."""

    @property
    def next_basket(self) -> bool:
        """Whether the right answers come with the next visit, not the next event."""
        return self.protocol == "basket"

    def popularity(self) -> np.ndarray:
        """How often each item occurs in training, (items,)."""
        counts = np.zeros(len(self.data.items))
        for events in self.train:
            np.add.at(counts, events.items, 1)
        return counts


def choose_protocol(data: Interactions) -> ProtocolName:
    """`basket` for data with baskets, else `last`."""
    return "basket" if data.has_baskets else "last"


def split(data: Interactions, protocol: ProtocolName, seen: Seen = "exclude") -> Split:
    """Cut a data set. Users with too few events are trained on and not asked."""
    cut = {"last": _cut_last, "basket": _cut_baskets, "time": _cut_time}[protocol]
    train, validation, test = cut(data)
    left_out = 0
    parts = []
    for cases in (validation, test):
        kept = []
        for case in cases:
            right = np.unique(case.right)
            if seen == "exclude":
                right = right[~np.isin(right, case.history.items)]
            if len(right):
                kept.append(Case(case.user, case.history, right))
        left_out = len(cases) - len(kept)
        parts.append(tuple(kept))
    return Split(data, protocol, seen, tuple(train), parts[0], parts[1], left_out)


Cut = tuple[list[Events], list[Case], list[Case]]


def _cut_last(data: Interactions) -> Cut:
    train, validation, test = [], [], []
    for user, events in enumerate(data.events):
        if len(events) < _EVENTS_NEEDED:
            train.append(events)
            continue
        train.append(events[:-2])
        validation.append(Case(user, events[:-2], events.items[-2:-1]))
        test.append(Case(user, events[:-1], events.items[-1:]))
    return train, validation, test


def _cut_baskets(data: Interactions) -> Cut:
    train, validation, test = [], [], []
    for user, events in enumerate(data.events):
        last = events.baskets[-1]
        if last < 2:
            train.append(events)
            continue
        before, between = events.baskets < last - 1, events.baskets == last - 1
        train.append(events[before])
        validation.append(Case(user, events[before], events.items[between]))
        test.append(Case(user, events[before | between], events.items[events.baskets == last]))
    return train, validation, test


def _cut_time(data: Interactions) -> Cut:
    moments = np.concatenate([events.times for events in data.events])
    first, second = np.nanquantile(moments, (0.8, 0.9))
    train, validation, test = [], [], []
    for user, events in enumerate(data.events):
        early, middle, late = (
            events.times < first,
            (events.times >= first) & (events.times < second),
            events.times >= second,
        )
        train.append(events[early])
        if early.any() and middle.any():
            validation.append(Case(user, events[early], events.items[middle]))
        if (early | middle).any() and late.any():
            test.append(Case(user, events[early | middle], events.items[late]))
    return train, validation, test


Score = Callable[[Sequence[Case]], np.ndarray]
"""Scores of every item for some cases, (B, items); higher is better."""


@dataclass(frozen=True)
class Ranks:
    """What one model made of some cases: places of the right items from 1 on (sorted), and everybody's first ones."""

    places: tuple[np.ndarray, ...]
    first: np.ndarray
    """The 10 best items of each case, (cases, 10); fewer where the catalogue is smaller."""


def rank(score: Score, cases: Sequence[Case], seen: Seen) -> Ranks:
    """Rank all items for each case. Equal scores rank in the order of the items' numbers."""
    places: list[np.ndarray] = []
    first = []
    for start in range(0, len(cases), ROWS):
        some = cases[start : start + ROWS]
        scores = _ranked(score, some, seen)
        places += _places(scores, some)
        k = min(max(CUTS), scores.shape[1])
        for line in scores:
            top = np.argpartition(-line, k - 1)[:k]
            first.append(top[np.argsort(-line[top], kind="stable")][:10])
    return Ranks(tuple(places), np.array(first))


def _ranked(score: Score, cases: Sequence[Case], seen: Seen) -> np.ndarray:
    """The scores of some cases, (B, items), with what is not ranked at the very end."""
    scores = np.array(score(cases), dtype=np.float32)
    if seen == "exclude":
        for row, case in enumerate(cases):
            scores[row, case.history.items] = -np.inf
    return scores


def _places(scores: np.ndarray, cases: Sequence[Case]) -> list[np.ndarray]:
    """The places of the right items from 1 on, sorted; equal scores in the order of the items' numbers."""
    return [
        np.sort(
            [
                np.count_nonzero(line > line[item]) + np.count_nonzero(line[:item] == line[item])
                for item in case.right
            ]
        )
        + 1
        for line, case in zip(scores, cases, strict=True)
    ]


def measure(ranks: Ranks) -> dict[str, np.ndarray]:
    """The metrics of each case; tests hold them against torchmetrics and trec_eval.

    hr: any right item within k; recall, precision and f1 at k; ndcg with equal gains; mrr over the whole ranking;
    accuracy is hr@1. With one right item recall = hr, precision = hr / k and f1 = 2 hr / (k + 1).
    """
    rows = [_metrics_of(places) for places in ranks.places]
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else {})}


def _metrics_of(places: np.ndarray) -> dict[str, float]:
    """The metrics of one ranking, which depend on the places of its right items alone."""
    result = {"mrr": float(1 / places[0])}
    for k in CUTS:
        found = int(np.searchsorted(places, k, side="right"))
        gained = float(_GAINS[places[:found] - 1].sum())
        precision, recall = found / k, found / len(places)
        result |= {
            f"hr@{k}": float(found > 0),
            f"ndcg@{k}": gained / float(_GAINS[: min(k, len(places))].sum()),
            f"recall@{k}": recall,
            f"precision@{k}": precision,
            f"f1@{k}": 2 * precision * recall / (precision + recall) if found else 0.0,
        }
    result["accuracy"] = result["hr@1"]
    return result


def summarise(ranks: Ranks, popularity: np.ndarray, seed: int = 1) -> dict[str, float | list[float]]:
    """Means over the cases, their 95 % bootstrap intervals (`hr@10_interval`, …), coverage and novelty.

    coverage@10: share of all items that anybody gets among their ten; novelty@10: mean surprise of those,
    -log2 of the share of training events that are the item's (one added to each).
    """
    cases = measure(ranks)
    result: dict[str, float | list[float]] = {
        name: round(float(values.mean()), 5) for name, values in cases.items()
    }
    for name in ("hr@10", "ndcg@10", "recall@10", "mrr"):
        low, high = interval(cases[name], seed)
        result[f"{name}_interval"] = [round(low, 5), round(high, 5)]
    share = (popularity + 1) / (popularity + 1).sum()
    result["coverage@10"] = round(len(np.unique(ranks.first)) / len(popularity), 5)
    result["novelty@10"] = round(float(-np.log2(share[ranks.first]).mean()), 4)
    return result


def interval(values: np.ndarray, seed: int = 1) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of a mean over users."""
    generator = np.random.default_rng(seed)
    means = np.array(
        [values[generator.integers(0, len(values), len(values))].mean() for _ in range(_RESAMPLES)]
    )
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def quick_ndcg(score: Score, cases: Sequence[Case], seen: Seen, k: int = 10) -> float:
    """The mean NDCG@k alone, for validation during training."""
    gains = 1 / np.log2(np.arange(2, k + 2))
    found = []
    for start in range(0, len(cases), ROWS):
        some = cases[start : start + ROWS]
        for places in _places(_ranked(score, some, seen), some):
            found.append(gains[places[places <= k] - 1].sum() / gains[: len(places)].sum())
    return float(np.mean(found)) if found else 0.0
