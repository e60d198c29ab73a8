"""Classifiers of question types without a network: the commonest type, and linear ones over TF-IDF of n-grams or over
vectors."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

State = dict[str, np.ndarray]
"""What a classifier has learned, as named arrays; text is kept as UTF-8 bytes."""


class Majority:
    """Says the commonest type of the training file, with its share."""

    def fit(self, texts: Sequence[str], targets: np.ndarray, labels: int, seed: int) -> None:
        self._shares = np.bincount(targets, minlength=labels) / len(targets)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(N, labels)."""
        return np.tile(self._shares, (len(texts), 1))

    def state(self) -> State:
        return {"shares": self._shares}

    def load(self, state: State) -> None:
        self._shares = state["shares"]


class Linear:
    """TF-IDF of n-grams under a linear classifier.

    words: TF-IDF of words and their pairs under multinomial logistic regression, the usual baseline.
    characters: besides, runs of 2 to 5 characters within words, under one linear SVM a type (far quicker on
    many types and, here, as right); its margins become probabilities by a softmax.
    """

    _SHARPNESS = 4.0

    def __init__(self, characters: bool) -> None:
        self._characters = characters
        self._vectorizers = [TfidfVectorizer(**options) for options in self._options()]

    def fit(self, texts: Sequence[str], targets: np.ndarray, labels: int, seed: int) -> None:
        for vectorizer in self._vectorizers:
            vectorizer.fit(texts)
        kind = (
            LinearSVC(C=0.5, random_state=seed)
            if self._characters
            else LogisticRegression(C=10, max_iter=200)
        )
        kind.fit(self._features(texts), targets)
        weights, bias = kind.coef_, kind.intercept_
        if len(kind.classes_) == 2:  # scikit-learn keeps one row for two types
            weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
            if not self._characters:
                weights, bias = weights / 2, bias / 2
        self._weights = np.zeros((labels, weights.shape[1]), np.float32)
        self._bias = np.full(labels, -30.0, np.float32)  # a type without examples is never said
        self._weights[kind.classes_], self._bias[kind.classes_] = weights, bias

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(N, labels)."""
        logits = self._features(texts) @ self._weights.T + self._bias
        if self._characters:
            logits = logits * self._SHARPNESS
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return odds / odds.sum(1, keepdims=True)

    def state(self) -> State:
        state: State = {"weights": self._weights.astype(np.float16), "bias": self._bias}
        for number, vectorizer in enumerate(self._vectorizers):
            grams = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
            told = json.dumps(grams, ensure_ascii=False).encode("utf-8", "replace")
            state[f"grams{number}"] = np.frombuffer(told, np.uint8).copy()
            state[f"idf{number}"] = vectorizer.idf_
        return state

    def load(self, state: State) -> None:
        self._weights = state["weights"].astype(np.float32)
        self._bias = state["bias"]
        self._vectorizers = []
        for number, options in enumerate(self._options()):
            grams = json.loads(state[f"grams{number}"].tobytes())
            vectorizer = TfidfVectorizer(**options | {"vocabulary": grams, "min_df": 1})
            vectorizer.idf_ = state[f"idf{number}"]
            self._vectorizers.append(vectorizer)

    def _options(self) -> list[dict[str, Any]]:
        # Digits do not tell a type; single Chinese characters are words.
        word = {
            "sublinear_tf": True,
            "token_pattern": r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+",
            "dtype": np.float32,
        }
        options: list[dict[str, Any]] = [word | {"ngram_range": (1, 2)}]
        if self._characters:
            options.append(
                {
                    "analyzer": "char_wb",
                    "ngram_range": (2, 5),
                    "sublinear_tf": True,
                    "min_df": 2,
                    "dtype": np.float32,
                }
            )
        return options

    def _features(self, texts: Sequence[str]) -> csr_matrix:
        return hstack([vectorizer.transform(texts) for vectorizer in self._vectorizers]).tocsr()


class Vectors:
    """Multinomial logistic regression over vectors that an encoder made of the questions."""

    _DECAY = 1e-4

    def fit(self, vectors: np.ndarray, targets: np.ndarray, labels: int, seed: int) -> None:
        """vectors: (N, width)."""
        self._middle, self._spread = vectors.mean(0), vectors.std(0) + 1e-6
        features = torch.from_numpy((vectors - self._middle) / self._spread)
        wanted = torch.from_numpy(targets)
        weights = torch.zeros(labels, features.shape[1], requires_grad=True)
        bias = torch.zeros(labels, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            value = torch.nn.functional.cross_entropy(features @ weights.T + bias, wanted)
            value = value + self._DECAY * weights.square().sum()
            value.backward()
            return value

        optimizer.step(loss)
        self._weights, self._bias = weights.detach().numpy(), bias.detach().numpy()
        self._bias[np.bincount(targets, minlength=labels) == 0] = -30.0  # never said

    def probabilities(self, vectors: np.ndarray) -> np.ndarray:
        """(N, labels)."""
        logits = ((vectors - self._middle) / self._spread) @ self._weights.T + self._bias
        odds = np.exp((logits - logits.max(1, keepdims=True)).astype(np.float64))
        return odds / odds.sum(1, keepdims=True)

    def state(self) -> State:
        return {
            "middle": self._middle, "spread": self._spread, "weights": self._weights, "bias": self._bias,
        }  # fmt: skip

    def load(self, state: State) -> None:
        self._middle, self._spread = state["middle"], state["spread"]
        self._weights, self._bias = state["weights"], state["bias"]
