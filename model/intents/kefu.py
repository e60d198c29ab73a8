"""kefu's own classifier of question types: linear experts and the fine-tuned GPT, joined as the assistant joins them.

The assistant multiplies the router's opinion with the GPT's to a trust (`model.router.fuse`). Here every expert's
trust is fitted on questions set aside, so that the product is also calibrated, and so is the sureness below which
a question counts as out of scope.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from model.checkpoint import Checkpoint
from model.intents.examples import OUT_OF_SCOPE
from model.intents.networks import encode, pad
from model.prompt import LANGUAGES, QUESTION_TYPES, TYPE_TOKENS
from model.router import Router, RouterError, by_type, train_router

_LEAST = 1e-6
_ACCURACY_OVER_RECALL = 4.0
"""Points of recall on questions out of scope that are worth one point of accuracy on the others."""


class RouterExpert:
    """The assistant's router, taught other types."""

    def fit(self, texts: Sequence[str], targets: np.ndarray, labels: int, seed: int) -> None:
        names = [str(i) for i in range(labels)]
        rows = [(text, names[target]) for text, target in zip(texts, targets, strict=True)]
        self._router = train_router(rows, names, seed=seed)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(N, labels)."""
        return np.array([list(self._router.probabilities(text).values()) for text in texts])

    def save(self, folder: Path) -> None:
        self._router.save(folder)

    def load(self, folder: Path) -> bool:
        """Whether the folder has one that this version reads."""
        try:
            router = Router.load(folder)
        except RouterError:
            return False
        if router is not None:
            self._router = router
        return router is not None


def join(opinions: Mapping[str, np.ndarray], trust: Mapping[str, float]) -> np.ndarray:
    """The product of experts, each (N, labels) to the power of its trust, rows made to add up to 1."""
    logs = sum(trust[name] * np.log(odds.clip(_LEAST)) for name, odds in opinions.items())
    odds = np.exp(logs - np.max(logs, axis=1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def fit_trust(opinions: Mapping[str, np.ndarray], targets: np.ndarray) -> dict[str, float]:
    """The trusts, none below 0, under which the product is least surprised by questions set aside."""
    stacked = torch.from_numpy(
        np.stack([np.log(odds.clip(_LEAST)) for odds in opinions.values()])
    )  # (E, N, labels)
    wanted = torch.from_numpy(targets)
    roots = torch.full((len(stacked),), len(stacked) ** -0.5, dtype=stacked.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([roots], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = (roots.square()[:, None, None] * stacked).sum(0)
        value = torch.nn.functional.cross_entropy(logits, wanted) + 1e-4 * roots.pow(4).sum()
        value.backward()
        return value

    optimizer.step(loss)
    return dict(zip(opinions, (round(float(root**2), 4) for root in roots.detach()), strict=True))


def fit_floor(odds: np.ndarray, targets: np.ndarray, labels: Sequence[str]) -> float:
    """The probability below which a question counts as out of scope, from questions set aside; 0 without such ones."""
    out = next((i for i, label in enumerate(labels) if label in OUT_OF_SCOPE), None)
    if out is None or not (targets == out).any() or (targets == out).all():
        return 0.0
    inside = np.delete(odds, out, 1).max(1)
    best, best_floor = -1.0, 0.0
    for floor in np.linspace(0, 0.95, 39):
        said = np.where(inside < floor, out, odds.argmax(1))
        accuracy = (said == targets)[targets != out].mean()
        recall = (said == out)[targets == out].mean()
        value = _ACCURACY_OVER_RECALL * accuracy + recall
        if value > best + 1e-9:
            best, best_floor = value, float(floor)
    return round(best_floor, 3)


@torch.no_grad()
def shipped_opinions(
    checkpoint: Checkpoint, router: Router | None, texts: Sequence[str]
) -> dict[str, np.ndarray]:
    """What the shipped router and the shipped GPT say of questions without facts: name to (N, question types)."""
    tokenizer = checkpoint.tokenizer
    types = torch.tensor([tokenizer.id_of(token) for token in TYPE_TOKENS])
    found = []
    for text in texts:
        chinese = any("\u3400" <= character <= "\u9fff" for character in text)
        start = tokenizer.id_of(LANGUAGES["zh" if chinese else "en"])
        ids, _ = pad([[start, *encode(tokenizer, [text])[0]]])
        wanted = torch.zeros_like(ids, dtype=torch.bool)
        wanted[:, -1] = True
        found.append(checkpoint.model(ids, wanted)[0, types].softmax(-1).numpy())
    opinions = {"gpt": np.stack(found)}
    if router is not None:
        rows = [by_type(router.probabilities(text)) for text in texts]
        opinions["router"] = np.array([[row.get(name, 0.0) for name in QUESTION_TYPES] for row in rows])
    return opinions
