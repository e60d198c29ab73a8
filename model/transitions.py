"""Transition counts: what tends to follow what. The simplest sequence model, and a hard one to beat.

An event counts towards the items of the next few events, less the further they are; a history's scores are the
weighted mean over its latest items, the newest first. Knows no network.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

WINDOW = 5
DECAY = 0.7
LATEST = 20
"""Events of a history that are looked at."""


class Transitions:
    """Row i holds the probabilities of what comes soon after item i."""

    def __init__(self, counts: sparse.csr_matrix, decay: float = DECAY) -> None:
        totals = np.asarray(counts.sum(1)).ravel()
        self.table = sparse.csr_matrix(sparse.diags(1 / np.maximum(totals, 1e-9)) @ counts)
        self.decay = decay

    @classmethod
    def count(
        cls,
        sequences: Sequence[np.ndarray],
        items: int,
        keep: int | None = None,
        decay: float = DECAY,
        window: int = WINDOW,
    ) -> "Transitions":
        """Count over sequences of item numbers, oldest first; `keep`: only so many per item."""
        counts = count_pairs(sequences, items, window)
        return cls(strongest(counts, keep) if keep else counts, decay)

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities (B, items), float32; rows of zeros where nothing is known."""
        rows, columns, weights = [], [], []
        for row, history in enumerate(histories):
            latest, decayed = self._latest(history)
            rows += [row] * len(latest)
            columns += latest.tolist()
            weights += decayed.tolist()
        mix = sparse.csr_matrix((weights, (rows, columns)), shape=(len(histories), self.table.shape[0]))
        return (mix @ self.table).toarray().astype(np.float32)

    def told(self, history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The items that have a probability after one history, ascending, and what it is: (m,) each."""
        return mixed_rows(self.table, *self._latest(history))

    def _latest(self, history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The latest items, the newest first, and the weight of each."""
        latest = history[-LATEST:][::-1]
        decayed = self.decay ** np.arange(len(latest))
        return latest, decayed / max(decayed.sum(), 1e-9)


def mixed_rows(
    table: sparse.csr_matrix, rows: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted sum of some rows of a table: columns, ascending, and values; in time that the rows' entries take."""
    spans = [slice(table.indptr[row], table.indptr[row + 1]) for row in rows]
    columns = np.concatenate([table.indices[span] for span in spans]).astype(np.int64)
    values = np.concatenate([weight * table.data[span] for span, weight in zip(spans, weights, strict=True)])
    found, places = np.unique(columns, return_inverse=True)
    return found, np.bincount(places, values, len(found))


def count_pairs(sequences: Sequence[np.ndarray], items: int, window: int = WINDOW) -> sparse.csr_matrix:
    """How often an item comes soon after another, (items, items); one over the distance for each time."""
    counts = sparse.csr_matrix((items, items))
    for gap in range(1, window + 1):
        pairs = [(items_[:-gap], items_[gap:]) for items_ in sequences if len(items_) > gap]
        if pairs:
            rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
            weights = np.full(len(rows), 1 / gap)
            weights[rows == columns] = 0
            counts = counts + sparse.csr_matrix((weights, (rows, columns)), shape=(items, items))
    counts.eliminate_zeros()
    return counts


def strongest(counts: sparse.csr_matrix, keep: int) -> sparse.csr_matrix:
    """The same with at most `keep` entries in each row."""
    counts = counts.tocsr()
    chosen = []
    for row in range(counts.shape[0]):
        first, last = counts.indptr[row], counts.indptr[row + 1]
        order = np.argsort(-counts.data[first:last], kind="stable")[:keep] + first
        chosen.append(np.sort(order))
    index = np.concatenate(chosen) if chosen else np.zeros(0, dtype=int)
    indptr = np.concatenate([[0], np.cumsum([len(some) for some in chosen])])
    return sparse.csr_matrix((counts.data[index], counts.indices[index], indptr), shape=counts.shape)
