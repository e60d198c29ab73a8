"""Whether what was found answers a question: a probability from a handful of signs, the last word before a person.

Logistic regression over signs that say nothing of this shop's subjects: how sure an encoder's classifier is, how far
ahead of the next type, how much of the question the source covers in words and in meaning. Without an encoder there
is no judge, and the probability of the question type decides. `model.train_answerable` fits it on topics that were
taken out of the shop, whose questions are then unanswerable, and on questions near a shop's subjects that its pages
leave open. Knows no shop and no words.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.checkpoint import CheckpointError

FILE = "answerable.json"


class JudgeError(CheckpointError):
    """A judge's file that cannot be used; the text says what to do."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for answering a question of this type from this source: signs by name."""

    type: str
    source_id: str
    signs: Mapping[str, float]


@dataclass(frozen=True)
class Judge:
    """The regression: weights by sign, and the probability below which a person is asked."""

    bias: float
    weights: Mapping[str, float]
    threshold: float

    def probability(self, signs: Mapping[str, float]) -> float:
        """How likely it is that the source answers the question; a sign that is missing counts as 0."""
        odds = self.bias + sum(weight * signs.get(name, 0.0) for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))

    def save(self, folder: Path) -> None:
        """Write the file into a checkpoint's folder."""
        (folder / FILE).write_text(json.dumps(vars(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Judge | None":
        """Read it from a checkpoint's folder; None if there is none. Raises JudgeError."""
        path = folder / FILE
        if not path.exists():
            return None
        try:
            row = json.loads(path.read_text(encoding="utf-8"))
            weights = {str(name): float(value) for name, value in row["weights"].items()}
            return cls(float(row["bias"]), weights, float(row["threshold"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise JudgeError(
                f"{path} is damaged ({error!r}); copy it again or run `kefu train answerable`"
            ) from None


def logit(probability: float) -> float:
    """The log-odds of a probability, within ±8."""
    clipped = min(max(probability, 1e-9), 1 - 1e-9)
    return max(-8.0, min(8.0, math.log(clipped / (1 - clipped))))


def choose_threshold(probabilities: Sequence[float], recall: float) -> float:
    """The lowest threshold that gives this share of unanswerable questions, judged so, to a person."""
    below = sorted(probabilities)
    return below[min(len(below) - 1, math.ceil(recall * len(below)) - 1)] + 1e-6 if below else 0.5
