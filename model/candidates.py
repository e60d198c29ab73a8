"""The likeliest items of a large catalogue, without scoring all of it.

An index over the items' vectors (HNSW: Malkov and Yashunin, arXiv 1603.09320; the package `usearch`, the extra `index`)
proposes those whose product with a history's state is highest; what counts say of the history's items is added. Their
scores are exact but for one thing: the softmax's total over the items that nobody proposed is estimated from a sample of
them, and says only how much the network weighs beside the counts. Knows no shop and no masks.
"""

import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from model.interactions import Events
from model.recommender import Recommender

EXACT = 100_000
"""Up to so many items every one is scored."""

FILE = "index.safetensors"
"""The file beside a checkpoint in which its index is kept."""

_CONNECTIVITY = 64
_EXPANSION = 64
_SAMPLE = 4096
_CHUNK = 1000

logger = logging.getLogger(__name__)
OnStep = Callable[[int, int], None]


class Proposal(NamedTuple):
    """Items in ascending order (m,) and the probability of each being next (m,), for one history."""

    items: np.ndarray
    scores: np.ndarray


class Candidates:
    """A recommender with an index over its items' vectors."""

    def __init__(self, recommender: Recommender, index: Any) -> None:
        """index: a usearch index of all items by number; see `open_candidates`."""
        self._recommender, self._index = recommender, index
        n = len(recommender.items)
        self._sample = np.sort(np.random.default_rng(1).choice(n, min(_SAMPLE, n), replace=False))

    @property
    def size(self) -> int:
        """Bytes of memory that the index takes."""
        return int(self._index.memory_usage)

    @torch.inference_mode()
    def propose(self, histories: Sequence[Events], count: int, also: Sequence[int] = ()) -> list[Proposal]:
        """The `count` items that the network holds for likeliest, what counts propose, and the items `also`.

        For histories that are not empty.
        """
        states = self._recommender.states(histories)  # (B, C)
        return [
            self._scored(state, history.items, np.append(some, np.array(also, dtype=np.int64)))
            for state, history, some in zip(states, histories, self.nearest(states, count), strict=True)
        ]

    def nearest(self, states: torch.Tensor, count: int) -> list[np.ndarray]:
        """The items that the index finds for each state of (B, C): `count` of them, or all."""
        return [
            self._index.search(state, count, threads=1).keys.astype(np.int64)
            for state in states.float().cpu().numpy()
        ]

    def _scored(self, state: torch.Tensor, history: np.ndarray, proposed: np.ndarray) -> Proposal:
        """The probabilities of the proposed items and of those that counts know, as `Recommender.scores` has them."""
        told = self._recommender.counts(history)
        items = np.unique(np.concatenate([proposed, *(columns for columns, _, _ in told)]))
        logits = self._logits(items, state)
        rest = self._logits(self._sample[~np.isin(self._sample, items)], state)
        highest = max(logits.max(), rest.max(initial=-np.inf))
        others = len(self._recommender.items) - len(items)
        odds = np.exp(logits - highest)
        total = odds.sum() + (others * np.exp(rest - highest).mean() if len(rest) else 0.0)
        scores = odds / total
        for columns, values, weight in told:
            scores *= 1 - weight * values.sum()
            scores[np.searchsorted(items, columns)] += weight * values
        return Proposal(items, scores)

    def _logits(self, items: np.ndarray, state: torch.Tensor) -> np.ndarray:
        vectors = self._recommender.vectors[torch.from_numpy(items)]
        found: np.ndarray = (vectors @ state).double().cpu().numpy()
        return found


def open_candidates(
    recommender: Recommender, folder: Path | None = None, exact: int = EXACT, on_step: OnStep | None = None
) -> Candidates | None:
    """Candidates for a recommender of more than `exact` items; None for one of fewer, or without `usearch`.

    folder: where the index is kept, under the vectors' hash; it is built where none is or another one, which takes
    minutes for a million items, told by `on_step` (items done, items) or in the log.
    """
    n = len(recommender.items)
    if n <= exact:
        return None
    try:
        from usearch.index import Index
    except ImportError:
        logger.warning(
            "all %d items are scored for every suggestion, which takes longer the more there are;"
            " with the extra `index` (pip install 'kefu[index]') an index proposes the likely ones",
            n,
        )
        return None
    vectors = recommender.vectors.float().cpu().numpy()
    key = f"{hashlib.sha256(np.ascontiguousarray(vectors)).hexdigest()} {_CONNECTIVITY} {_EXPANSION}"
    path = folder / FILE if folder else None
    if path and (kept := _load(path, key)) is not None:
        return Candidates(recommender, Index.restore(kept))
    index = Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="f16",
        connectivity=_CONNECTIVITY,
        expansion_add=_EXPANSION,
        enable_key_lookups=False,
    )
    tell = on_step or _log
    for start in range(0, n, _CHUNK):
        some = vectors[start : start + _CHUNK]
        index.add(np.arange(start, start + len(some)), some, threads=1)
        tell(start + len(some), n)
    if path:
        _store(path, key, index.save())
    return Candidates(recommender, index)


def _log(done: int, items: int) -> None:
    """A line at every tenth of the way."""
    if 10 * done // items > 10 * (done - _CHUNK) // items:
        logger.info("the index of %d items is built to %d %%", items, 100 * done // items)


def _load(path: Path, key: str) -> bytes | None:
    """The index that a file keeps; None if there is none, a damaged one, or one of other vectors."""
    try:
        with safe_open(path, "np") as file:
            about = file.metadata() or {}
            if about.get("key") != key:
                return None
            data: bytes = file.get_tensor("index").tobytes()
    except (SafetensorError, OSError):
        return None
    return data if hashlib.sha256(data).hexdigest() == about.get("sha256") else None


def _store(path: Path, key: str, data: bytes) -> None:
    about = {"key": key, "sha256": hashlib.sha256(data).hexdigest()}
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):  # a folder that is only read: built again at the next start
        new.write_bytes(serialize({"index": np.frombuffer(data, dtype=np.uint8)}, about))
        os.replace(new, path)
