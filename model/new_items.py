"""What can be suggested of items that nobody has used yet: how such an examination is held, and the ways that are compared.

Items are drawn by a seed and taken out of everything that is learned from or tuned on, as are those that nobody happens to
have used before the test; what users took of them later is asked. A way is something that scores histories of known items
over all items: the known ones, then the new ones.

n: items, k of them known, E: width of a text's vector, C: width of the networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from model.interactions import DataError, Events, Interactions, ItemText
from model.ranking import Case, Score, Split
from model.recommender import BehaviourConfig, BehaviourGPT, Recommender, hash_words, make_batch, mixed

TESTED = 0.2
"""Without baskets the last fifth of each user's events is the test."""

TEXT_READ = 160
"""Characters of an item's text that the encoder reads: about what its hashed words, the first sixteen, are made of."""

_EVENTS_NEEDED = 5


@dataclass(frozen=True)
class NewItems:
    """A data set with new items. `cut` knows the known items alone, under the numbers that they have here too."""

    cut: Split
    items: tuple[str, ...]
    """All items by number: the known ones as in `cut`, then the new ones."""
    texts: tuple[str, ...]
    """What is told of each item, empty if nothing."""
    drawn: int
    """How many of the new items were drawn; nobody had used the others before the test."""
    about_new: tuple[Case, ...]
    """Test cases whose right items are new, and below the same histories with those that are known."""
    about_known: tuple[Case, ...]

    @property
    def known(self) -> int:
        """How many items are known."""
        return len(self.cut.data.items)

    @property
    def is_new(self) -> np.ndarray:
        """Which items are new, (n,)."""
        return np.arange(len(self.items)) >= self.known


def hold_back(data: Interactions, share: float = 0.1, seed: int = 1) -> NewItems:
    """Draw a share of the items that have words, and cut the data around them. Raises DataError.

    With baskets each user's last one is the test and the one before validation; without, the last fifth of the events is
    the test and the event before validation. Neither training, validation nor any history has a new item.
    """
    told = [item in data.texts and bool(data.texts[item].words()) for item in data.items]
    named = np.flatnonzero(told)
    if len(named) < 2:
        raise DataError([f"{data.name}: the items have no titles or descriptions; new items need some"])
    drawn = np.random.default_rng(seed).choice(named, max(1, round(share * len(named))), replace=False)
    parts = _basket_parts(data) if data.has_baskets else _last_parts(data)
    is_drawn = np.isin(np.arange(len(data.items)), drawn)
    kept = [(user, _only(before, ~is_drawn), after) for user, before, after in parts]
    used = np.unique(np.concatenate([before.items for _, before, _ in kept]))
    fresh = np.setdiff1d(named, used)
    order = np.concatenate([used, fresh])
    number = np.full(len(data.items), -1)
    number[order] = np.arange(len(order))
    train, validation, about_new, about_known = [], [], [], []
    for user, events, after in kept:
        before = replace(events, items=number[events.items])
        border = _before_last(before, data.has_baskets) if len(after) else len(before)
        train.append(before[:border])
        right = number[np.unique(after)]
        right = right[(right >= 0) & ~np.isin(right, before.items)]
        if not len(after) or not border:
            continue
        asked = np.setdiff1d(before.items[border:], before.items[:border])
        if len(asked):
            validation.append(Case(user, before[:border], asked))
        for cases, some in (
            (about_new, right[right >= len(used)]),
            (about_known, right[right < len(used)]),
        ):
            if len(some):
                cases.append(Case(user, before, np.sort(some)))
    if not about_new or not validation:
        raise DataError([f"{data.name}: no user took a new item in the test; give more events or items"])
    items = tuple(data.items[i] for i in order)
    known = replace(data, items=items[: len(used)], events=tuple(train), texts=_of(data, items[: len(used)]))
    cut = Split(
        known, "basket" if data.has_baskets else "last", "exclude", tuple(train), tuple(validation),
        tuple(about_known), 0,
    )  # fmt: skip
    texts = tuple(_sentence(data.texts.get(item, ItemText())) for item in items)
    return NewItems(cut, items, texts, len(drawn), tuple(about_new), tuple(about_known))


Parts = list[tuple[int, Events, np.ndarray]]
"""Users with their events before the test, and the items of the test; none for those who are not asked."""


def _last_parts(data: Interactions) -> Parts:
    parts = []
    for user, events in enumerate(data.events):
        tested = max(1, round(TESTED * len(events))) if len(events) >= _EVENTS_NEEDED else 0
        border = len(events) - tested
        parts.append((user, events[:border], events.items[border:]))
    return parts


def _basket_parts(data: Interactions) -> Parts:
    parts = []
    for user, events in enumerate(data.events):
        last = events.baskets[-1] if events.baskets[-1] >= 2 else np.inf
        parts.append((user, events[events.baskets < last], events.items[events.baskets >= last]))
    return parts


def _before_last(events: Events, baskets: bool) -> int:
    """Where the last event, or basket, begins."""
    if not baskets or not len(events):
        return max(0, len(events) - 1)
    return int(np.count_nonzero(events.baskets < events.baskets[-1]))


def _only(events: Events, which: np.ndarray) -> Events:
    return events[which[events.items]]


def _of(data: Interactions, items: Sequence[str]) -> dict[str, ItemText]:
    return {item: data.texts[item] for item in items if item in data.texts}


def _sentence(text: ItemText) -> str:
    """What an encoder reads of an item."""
    return ". ".join(part for part in (text.title, text.category, text.text) if part)[:TEXT_READ]


class TextGPT(BehaviourGPT):
    """The behaviour GPT with a projection of vectors of texts, (n, E), in place of hashed words."""

    def __init__(self, config: BehaviourConfig, texts: Tensor) -> None:
        super().__init__(replace(config, words=0))
        self.register_buffer("texts", texts, persistent=False)
        self.project = nn.Linear(texts.shape[1], config.width, bias=False)
        nn.init.normal_(self.project.weight, std=0.02)

    def described(self) -> Tensor:
        """What the texts say of the items, (n, C)."""
        return self.project(self.texts)


@torch.inference_mode()
def vectors_by_words(model: BehaviourGPT, words: Sequence[Sequence[str]]) -> Tensor:
    """The vectors of items that have nothing but words, (items, C), as `Recommender.load` makes them for new ones."""
    hashed = [hash_words(some, model.config.words) for some in words]
    starts = torch.tensor([0, *map(len, hashed)]).cumsum(0)[:-1]
    return model.word(torch.tensor([word for some in hashed for word in some], dtype=torch.long), starts)


def network_scorer(model: BehaviourGPT, cut: Split, new: Tensor) -> Score:
    """Products of a network's states with the vectors of all items; `new` are those of the new ones, (n - k, C)."""
    model = model.eval()
    known = model.vectors().detach()
    vectors = torch.cat([known, new])

    @torch.inference_mode()
    def score(cases: Sequence[Case]) -> np.ndarray:
        batch = make_batch([case.history for case in cases], model.config.context, int(cut.next_basket))
        states = model(batch, known)[torch.arange(len(cases)), batch.lengths - 1]
        return (states @ vectors.T).numpy()

    return score


def blended_scorer(recommender: Recommender, cut: Split, network: Score, new: int) -> Score:
    """Our own blend, in which counts know nothing of the `new` items at the end of the network's scores."""

    def score(cases: Sequence[Case]) -> np.ndarray:
        histories = [case.history.items for case in cases]
        scores = torch.from_numpy(network(cases)).softmax(-1).numpy()
        for table, weight in (
            (recommender.transitions, recommender.blend),
            (recommender.neighbours, recommender.share),
        ):
            if table is not None and weight:
                scores = mixed(scores, np.pad(table.scores(histories), ((0, 0), (0, new))), weight)
        return scores

    return score


def strangers_scorer(known: Score, new: int, seed: int) -> Score:
    """The scores of something that knows no new item: those come after all others, in a random order for each case."""

    def score(cases: Sequence[Case]) -> np.ndarray:
        scores = known(cases)
        below = scores.min(1, keepdims=True) - 1
        drawn = [np.random.default_rng([seed, case.user]).random(new) for case in cases]
        return np.concatenate([scores, below - np.stack(drawn)], 1)

    return score


def content_scorer(vectors: np.ndarray, latest: int | None = None) -> Score:
    """Cosines of texts, (n, E) of length 1, with the mean text of a history, or of its `latest` events."""

    def score(cases: Sequence[Case]) -> np.ndarray:
        means = [vectors[case.history.items[-(latest or 0) :]].mean(0) for case in cases]
        return np.stack(means) @ vectors.T

    return score


def restricted(score: Score, only: np.ndarray) -> Score:
    """The same with all items but some, (n,), at the very end."""
    return lambda cases: np.where(only, score(cases), -np.inf)


def centred(vectors: np.ndarray, known: int) -> np.ndarray:
    """Vectors of texts less the mean of the known ones, of length 1: what a text says beside what all say."""
    moved = vectors - vectors[:known].mean(0)
    return (moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)).astype(np.float32)
