"""A linear classifier of question types over hashed n-grams: the second opinion beside the GPT's own.

Words and runs of characters in English, characters and their pairs and triples in Chinese, hashed into a fixed
number of rows (Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", arXiv 0902.2206). It reads a
question alone, knows no facts, learns in a minute and is far better than a small GPT on wordings that training did
not have; the GPT knows what stands before it. `fuse` joins the two.
"""

import math
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.nn.functional import embedding_bag

from model.checkpoint import CheckpointError
from model.data.asks import type_of
from model.slots import VALUE

FILE = "router.safetensors"
ROWS = 1 << 16
PRODUCT = "productname"
"""What stands for the title of a product that was found in a question."""

_MOST_FEATURES = 2000
_SMOOTHED = 0.03
_WORD = re.compile(r"[^\W_\u3400-\u9fff]+|[\u3400-\u9fff]+|[?？!！]")


class RouterError(CheckpointError):
    """A router's file that cannot be used; the text says what to do."""


def features(text: str) -> dict[int, float]:
    """Rows of a question's n-grams with their weights, whose squares add up to 1. Values all look alike."""
    text = VALUE.sub(" 0 ", unicodedata.normalize("NFKC", text)).lower()
    grams: Counter[str] = Counter()
    words = _WORD.findall(text)[:_MOST_FEATURES]
    for word in words:
        if word[0] >= "\u3400":
            grams.update(word[i : i + n] for n in (1, 2, 3) for i in range(len(word) - n + 1))
        else:
            padded = f"<{word}>"
            grams[padded] += 1
            grams.update(padded[i : i + n] for n in (3, 4, 5) for i in range(len(padded) - n + 1))
    grams.update(f"{left} {right}" for left, right in zip(words, words[1:], strict=False))
    rows: dict[int, float] = {}
    for gram, count in grams.most_common(_MOST_FEATURES):
        row = zlib.crc32(gram.encode("utf-8", "replace")) % ROWS
        rows[row] = rows.get(row, 0.0) + 1.0 + math.log(count)
    norm = math.sqrt(sum(weight * weight for weight in rows.values())) or 1.0
    return {row: weight / norm for row, weight in rows.items()}


class Router:
    """A trained classifier. `weights` (rows, labels) in int8 with one scale a label; `bias` (labels)."""

    def __init__(
        self, labels: Sequence[str], weights: np.ndarray, scale: np.ndarray, bias: np.ndarray
    ) -> None:
        self.labels = tuple(labels)
        self._weights, self._scale, self._bias = weights, scale, bias

    def probabilities(self, text: str) -> dict[str, float]:
        """The probability of each label for a question."""
        rows = features(text)
        logits = self._bias.copy()
        if rows:
            shares = np.fromiter(rows.values(), dtype=np.float32)
            logits += (shares @ self._weights[list(rows)].astype(np.float32)) * self._scale
        odds = np.exp(logits - logits.max())
        return dict(zip(self.labels, (odds / odds.sum()).tolist(), strict=True))

    def likeliest_type(self, text: str) -> str:
        """The question type that has the most of a question's odds, all its aspects together."""
        types = by_type(self.probabilities(text))
        return max(types, key=types.__getitem__)

    def save(self, folder: Path) -> None:
        """Write the file into a checkpoint's folder."""
        tensors = {"weights": self._weights, "scale": self._scale, "bias": self._bias}
        save_file(
            {name: torch.from_numpy(value) for name, value in tensors.items()},
            folder / FILE,
            metadata={"labels": " ".join(self.labels)},
        )

    @classmethod
    def load(cls, folder: Path) -> "Router | None":
        """Read it from a checkpoint's folder; None if the checkpoint has none. Raises RouterError."""
        path = folder / FILE
        if not path.exists():
            return None
        try:
            with safe_open(path, "np") as file:
                labels = file.metadata()["labels"].split()
                weights, scale, bias = (file.get_tensor(name) for name in ("weights", "scale", "bias"))
        except (SafetensorError, KeyError, TypeError, AttributeError, OSError) as error:
            raise RouterError(
                f"{path} is damaged ({error}); copy it again or run `kefu train types`"
            ) from None
        if weights.shape != (ROWS, len(labels)):
            raise RouterError(f"{path} was made by another version; run `kefu train types`")
        return cls(labels, weights, scale, bias)


def by_type(labels: Mapping[str, float]) -> dict[str, float]:
    """The odds of the question types, each the sum of its aspects."""
    types: dict[str, float] = defaultdict(float)
    for label, odds in labels.items():
        types[type_of(label)] += odds
    return dict(types)


def train_router(
    questions: Sequence[tuple[str, str]],
    labels: Sequence[str],
    *,
    epochs: int = 8,
    seed: int = 1,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> Router:
    """Fit a router to (text, label) pairs by logistic regression with AdamW; `on_step` hears of the progress.

    A pair may name a type whose aspects are the labels: then any of them counts as right.
    """
    torch.manual_seed(seed)
    rows = [features(text) for text, _ in questions]
    meant = {label: meant_labels(label, labels) for label in {label for _, label in questions}}
    targets = torch.stack([meant[label] for _, label in questions])  # (questions, labels)
    used = sorted({row for some in rows for row in some})  # the others stay 0
    place = {row: i for i, row in enumerate(used)}
    places = [torch.tensor([place[row] for row in some], dtype=torch.long) for some in rows]
    parts = [torch.tensor(list(some.values()), dtype=torch.float) for some in rows]
    weights = torch.zeros(len(used), len(labels), requires_grad=True)
    bias = torch.zeros(len(labels), requires_grad=True)
    optimizer = torch.optim.AdamW([weights, bias], lr=0.03, weight_decay=1e-3)
    batch, step = 512, 0
    steps = epochs * math.ceil(len(rows) / batch)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    for _ in range(epochs):
        for chosen in torch.randperm(len(rows)).split(batch):
            picked = chosen.tolist()
            ids = torch.cat([places[i] for i in picked])
            shares = torch.cat([parts[i] for i in picked])
            offsets = torch.tensor([0, *np.cumsum([len(places[i]) for i in picked])[:-1]])
            logits = embedding_bag(ids, weights, offsets, mode="sum", per_sample_weights=shares) + bias
            loss = loss_to_any(logits, targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            on_step(step, steps, loss.item())
    scale = weights.detach().abs().amax(0).clamp_min(1e-6) / 127
    quantised = np.zeros((ROWS, len(labels)), np.int8)
    quantised[used] = (weights.detach() / scale).round().to(torch.int8).numpy()
    return Router(labels, quantised, scale.numpy(), bias.detach().numpy())


def meant_labels(label: str, labels: Sequence[str]) -> torch.Tensor:
    """Which of the labels a pair's own label stands for. Raises ValueError if it is none of them."""
    meant = torch.tensor([name == label or name.startswith(f"{label}/") for name in labels])
    if not meant.any():
        raise ValueError(f"no label {label!r}")
    return meant


def loss_to_any(logits: torch.Tensor, meant: torch.Tensor) -> torch.Tensor:
    """Cross-entropy to the set of labels meant, a little of the weight smoothed over all."""
    logs = logits.log_softmax(-1)
    right = logs.masked_fill(~meant, float("-inf")).logsumexp(-1)
    return -((1 - _SMOOTHED) * right + _SMOOTHED * logs.mean(-1)).mean()


def fuse(
    opinions: Sequence[tuple[Mapping[str, float], float]], labels: Sequence[str]
) -> list[tuple[str, float]]:
    """A product of experts: each opinion to the power of its trust, made to add up to 1; likeliest first."""
    logs = np.array(
        [
            sum(trust * math.log(max(opinion.get(name, 0.0), 1e-6)) for opinion, trust in opinions)
            for name in labels
        ]
    )
    odds = np.exp(logs - logs.max())
    ranking = zip(labels, (odds / odds.sum()).tolist(), strict=True)
    return sorted(ranking, key=lambda pair: -pair[1])
