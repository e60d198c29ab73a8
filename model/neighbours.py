"""What goes with what, whatever the order: item-kNN and EASE as tables that can be blended into the network's scores.

Row i holds how much item i in a history speaks for every other item; a history's scores are the sum over its items.
Knows no network and no order of events.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy import sparse

from model.transitions import mixed_rows, strongest

Kind = Literal["cosine", "ease"]

EASE_ITEMS = 15_000
"""EASE inverts a matrix of items by items; above so many it is not computed."""

KEPT = 200
"""Entries of a row that are kept, the strongest."""

_RIDGE = 200.0
_SHRINK = 10.0
"""What keeps two items with few users from being taken for alike."""


class Neighbours:
    """A table of items by items. `sharpness`: the power that scores are raised to before they become probabilities."""

    def __init__(self, table: sparse.csr_matrix, sharpness: float = 1.0) -> None:
        self.table, self.sharpness = table, sharpness

    @classmethod
    def count(cls, kind: Kind, histories: Sequence[np.ndarray], items: int) -> "Neighbours":
        """From histories of item numbers, by the cosine of the items' users or by EASE."""
        users = incidence(histories, items)
        if kind == "ease":
            return cls(_strongest_of(ease_weights(users, _RIDGE)))
        gram = (users.T @ users).tocsr()
        norms = np.sqrt(gram.diagonal())
        gram.setdiag(0)
        gram.eliminate_zeros()
        rows = np.repeat(np.arange(items), np.diff(gram.indptr))
        gram.data = gram.data / (norms[rows] * norms[gram.indices] + _SHRINK)
        return cls(strongest(gram, KEPT))

    def scores(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities (B, items), float32; rows of zeros where nothing is known."""
        found = (incidence(histories, self.table.shape[0]) @ self.table).toarray()
        found = np.maximum(found, 0.0) ** self.sharpness
        return (found / np.maximum(found.sum(1, keepdims=True), 1e-9)).astype(np.float32)

    def told(self, history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The items that have a probability after one history, ascending, and what it is: (m,) each."""
        used = np.unique(history)
        columns, found = mixed_rows(self.table, used, np.ones(len(used)))
        found = np.maximum(found, 0.0) ** self.sharpness
        return columns, found / max(found.sum(), 1e-9)


def ease_weights(users: sparse.csr_matrix, regularisation: float) -> np.ndarray:
    """EASE^R, the closed form of a linear autoencoder without its diagonal (Steck, arXiv 1905.03375): (items, items)."""
    n = users.shape[1]
    gram = (users.T @ users).toarray().astype(np.float32)
    gram[np.diag_indices(n)] += regularisation
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def incidence(histories: Sequence[np.ndarray], items: int) -> Any:
    """Who used what, (histories, items), ones."""
    rows = np.repeat(np.arange(len(histories)), [len(history) for history in histories])
    columns = np.concatenate(histories) if len(histories) else np.zeros(0, dtype=np.int64)
    matrix = sparse.csr_matrix(
        (np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(len(histories), items)
    )
    matrix.data[:] = 1
    return matrix


def _strongest_of(weights: np.ndarray) -> sparse.csr_matrix:
    """The entries of each row that are largest by size, as a sparse table."""
    n = len(weights)
    keep = min(KEPT, n)
    columns = np.argpartition(-np.abs(weights), keep - 1, axis=1)[:, :keep]
    values = np.take_along_axis(weights, columns, axis=1)
    starts = np.arange(0, n * keep + 1, keep)
    table = sparse.csr_matrix((values.ravel(), columns.ravel(), starts), shape=(n, n))
    table.eliminate_zeros()
    return table
