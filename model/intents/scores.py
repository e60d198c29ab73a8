"""Figures for a classifier of question types, from its probabilities. It knows no model and no files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from model.intents.examples import OUT_OF_SCOPE

BINS = 15


@dataclass(frozen=True)
class Verdicts:
    """What a classifier said of each question: its type, and how sure it was."""

    said: tuple[str, ...]
    sure: tuple[float, ...]


def verdicts(probabilities: np.ndarray, labels: Sequence[str], floor: float = 0.0) -> Verdicts:
    """The likeliest type of each row of `probabilities` (N, labels).

    floor: where there is a type for what is out of scope, it is chosen as well when no other is this likely.
    """
    out = next((i for i, label in enumerate(labels) if label in OUT_OF_SCOPE), None)
    chosen = probabilities.argmax(1)
    sure = probabilities.max(1)
    if out is not None and floor > 0:
        inside = np.delete(probabilities, out, 1).max(1)
        doubtful = (inside < floor) & (chosen != out)
        chosen, sure = np.where(doubtful, out, chosen), np.where(doubtful, 1 - inside, sure)
    return Verdicts(tuple(labels[i] for i in chosen), tuple(sure.tolist()))


def score(verdict: Verdicts, right: Sequence[str]) -> dict[str, float | int]:
    """Shares from 0 to 1; precision, recall and F1 are means over the types that occur in `right`.

    With questions out of scope also: the accuracy on the others, and recall and precision of finding them.
    """
    types = sorted(set(right))
    precision, recall, f1, _ = precision_recall_fscore_support(
        right, verdict.said, labels=types, average="macro", zero_division=0.0
    )
    found: dict[str, float | int] = {
        "questions": len(right),
        "accuracy": accuracy_score(right, verdict.said),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "calibration_error": calibration_error(verdict, right),
    }
    outside = [label in OUT_OF_SCOPE for label in right]
    if any(outside):
        guessed = [label in OUT_OF_SCOPE for label in verdict.said]
        both = sum(a and b for a, b in zip(outside, guessed, strict=True))
        inside = [(a, b) for a, b in zip(right, verdict.said, strict=True) if a not in OUT_OF_SCOPE]
        found["in_scope_accuracy"] = sum(a == b for a, b in inside) / max(1, len(inside))
        found["oos_recall"] = both / sum(outside)
        found["oos_precision"] = both / max(1, sum(guessed))
    return {
        name: round(float(value), 4) if name != "questions" else int(value) for name, value in found.items()
    }


def calibration(verdict: Verdicts, right: Sequence[str]) -> list[tuple[float, float, int]]:
    """For each tenth-like step of sureness that occurs: mean sureness, share right, how many."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for said, sure, truth in zip(verdict.said, verdict.sure, right, strict=True):
        bins.setdefault(min(BINS - 1, int(sure * BINS)), []).append((sure, said == truth))
    return [
        (sum(s for s, _ in rows) / len(rows), sum(ok for _, ok in rows) / len(rows), len(rows))
        for _, rows in sorted(bins.items())
    ]


def calibration_error(verdict: Verdicts, right: Sequence[str]) -> float:
    """Expected calibration error over 15 equal steps (Guo et al., arXiv 1706.04599)."""
    return sum(abs(sure - share) * n for sure, share, n in calibration(verdict, right)) / max(1, len(right))


def confusions(verdict: Verdicts, right: Sequence[str], most: int = 12) -> list[tuple[str, str, int]]:
    """The commonest mistakes: right type, said type, how often."""
    wrong = Counter((truth, said) for truth, said in zip(right, verdict.said, strict=True) if truth != said)
    return [(truth, said, n) for (truth, said), n in wrong.most_common(most)]
