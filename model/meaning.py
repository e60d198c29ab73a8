"""What an encoder's vectors say of a shop's questions: which type they are of, and which passage lies near.

The router knows the n-grams of the phrasings it has seen; `MeaningRouter` knows what they mean, so that words which no
phrasing has still count: softmax regression over the centred vector of a question, learned in seconds once the vectors
are there, useless without the encoder that it was trained with. `Meaning` holds it together with the shop's passages.
"""

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as serialize

from model.encoder import Encoder, kept_passages
from model.router import PRODUCT, RouterError, loss_to_any, meant_labels
from model.shop import Passage
from model.types import Language

FILE = "meaning.safetensors"
_PRODUCT = re.compile(rf"\s*{PRODUCT}\s*")
_OTHERS = 1000
_SHARPNESS = 12.0
"""What the centred vectors are multiplied by: this encoder's all lie within a narrow cone."""


class MeaningRouter:
    """A trained classifier. `weights` (width, labels) and `bias` (labels) over vectors of the encoder called `encoder`."""

    def __init__(self, labels: Sequence[str], weights: np.ndarray, bias: np.ndarray, encoder: str) -> None:
        self.labels, self.encoder = tuple(labels), encoder
        self._weights, self._bias = weights.astype(np.float32), bias.astype(np.float32)

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """The probability of each label for questions as vectors, (n, width) to (n, labels)."""
        logits = vectors @ self._weights + self._bias
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        found: np.ndarray = odds / odds.sum(-1, keepdims=True)
        return found

    def save(self, folder: Path) -> None:
        """Write the file into a checkpoint's folder."""
        tensors = {"weights": self._weights.astype(np.float16), "bias": self._bias}
        about = {"labels": " ".join(self.labels), "encoder": self.encoder}
        (folder / FILE).write_bytes(serialize(tensors, about))

    @classmethod
    def load(cls, folder: Path, encoder: Encoder) -> "MeaningRouter | None":
        """Read it from a checkpoint's folder; None if there is none for this encoder.

        Raises RouterError for a damaged file.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            with safe_open(path, "np") as file:
                about = file.metadata()
                names, made_with = tuple(about["labels"].split()), about["encoder"]
                weights, bias = file.get_tensor("weights"), file.get_tensor("bias")
        except (SafetensorError, KeyError, TypeError, AttributeError, OSError) as error:
            raise RouterError(
                f"{path} is damaged ({error}); copy it again or run `kefu train types`"
            ) from None
        if made_with != encoder.name or weights.shape != (encoder.width, len(names)):
            return None
        return cls(names, weights, bias, made_with)


def as_asked(text: str) -> str:
    """A question as the encoder reads it: a title that was found is called what it is."""
    chinese = any("\u3400" <= character <= "\u9fff" for character in text)
    text = _PRODUCT.sub("这款商品" if chinese else " this product ", text)
    return " ".join(text.split())


def train_meaning(
    vectors: np.ndarray,
    targets: Sequence[str],
    labels: Sequence[str],
    encoder: str,
    *,
    decay: float = 2e-4,
    seed: int = 1,
    iterations: int = 30,
) -> MeaningRouter:
    """Fit to questions as vectors (n, width) with their labels; a type stands for any of its aspects."""
    torch.manual_seed(seed)
    mean = vectors.mean(0)
    inputs = torch.from_numpy(((vectors - mean) * _SHARPNESS).astype(np.float32))
    of_label = {label: meant_labels(label, labels) for label in set(targets)}
    meant = torch.stack([of_label[label] for label in targets])
    weights = torch.zeros(vectors.shape[1], len(labels), requires_grad=True)
    bias = torch.zeros(len(labels), requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=iterations, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = loss_to_any(inputs @ weights + bias, meant) + decay * weights.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    scaled = weights.detach().numpy() * _SHARPNESS
    return MeaningRouter(labels, scaled, bias.detach().numpy() - mean @ scaled, encoder)


class Meaning:
    """An encoder with what it knows of one shop. `router` is None where none was trained for it.

    passages: by language, in the order in which `likeness` counts them; kept: the file that remembers their vectors.
    """

    def __init__(
        self,
        encoder: Encoder,
        router: MeaningRouter | None,
        passages: Mapping[Language, Sequence[Passage]],
        kept: Path | None = None,
    ) -> None:
        self.encoder, self.router = encoder, router
        self._others: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()  # of these others
        texts = {
            language: [f"{passage.title}. {passage.text}" for passage in some]
            for language, some in passages.items()
        }
        vectors = kept_passages(encoder, [text for some in texts.values() for text in some], kept)
        self._passages: dict[Language, np.ndarray] = {}
        start = 0
        for language, some in texts.items():
            self._passages[language] = vectors[start : start + len(some)]
            start += len(some)

    def likeness(self, text: str, language: Language) -> np.ndarray:
        """The cosine of a question with each passage of a language, (passages,)."""
        found: np.ndarray = self._passages[language] @ self.encoder.queries([as_asked(text)])[0]
        return found

    def opinion(self, text: str) -> dict[str, float]:
        """The probability of each label of its router for a question; none without one."""
        if self.router is None:
            return {}
        odds = self.router.probabilities(self.encoder.queries([as_asked(text)]))[0]
        return dict(zip(self.router.labels, odds.tolist(), strict=True))

    def likeness_to(self, text: str, passage: str) -> float:
        """The cosine of a question with a text that is no passage of the shop, such as a product's description."""
        return float(self._other(passage) @ self.encoder.queries([as_asked(text)])[0])

    def read(self, passages: Sequence[str]) -> None:
        """Read these now, so that `likeness_to` finds them remembered."""
        for passage in passages:
            self._other(passage)

    def _other(self, passage: str) -> np.ndarray:
        """The vector of a text of the shop's that is no passage; recent ones are remembered."""
        with self._lock:
            found = self._others.get(passage)
        if found is None:
            found = self.encoder.passages([passage])[0]
        with self._lock:
            self._others.pop(passage, None)
            self._others[passage] = found
            while len(self._others) > _OTHERS:
                self._others.pop(next(iter(self._others)))
        return found
