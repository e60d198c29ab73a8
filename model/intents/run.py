"""The evaluation of question types: learn a file's types, or take the shipped ones, and judge them on another file.

What was learned is kept in a folder named after everything that decides it, and not learned twice.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file as save_tensors
from torch import nn

from model import checkpoint
from model.intents.examples import Example, IntentsError, divide, fingerprint
from model.intents.kefu import RouterExpert, fit_floor, fit_trust, join, shipped_opinions
from model.intents.linear import Linear, Majority, Vectors
from model.intents.networks import Encoder, Plan, Recurrent, encode, gpt_classifier, learn, probabilities
from model.intents.pretrained import Pretrained, Reading, UpperLayers
from model.intents.scores import Verdicts, score, verdicts
from model.prompt import QUESTION_TYPES
from model.router import Router
from model.speaking import MODEL_TRUST

FORMAT = 2
"""Raised when what is learned changes, so that what older versions kept is not taken for it."""

ASIDE = 0.1
"""Share of the training file by which networks know when to stop, and kefu how far to trust each expert."""

BASELINES = ("majority", "logistic_regression", "lstm", "gru", "transformer")
EXPERTS = ("router", "ngrams", "gpt")
ENCODED = ("vectors", "encoder")
"""Experts that need the pretrained encoder: a linear one over its vectors, and its tuned upper layers."""
AGAIN = ("ngrams", "vectors")
"""Experts quick enough to learn once more from everything, when what was set aside has served its purpose."""

_RATES = {"gpt": 1.0, "transformer": 1.0, "lstm": 3.0, "gru": 3.0, "encoder": 0.15}
"""Learning rates of the networks beside the plan's."""
_LONGER = {"encoder": 1.25}
"""Training tokens of networks that learn slower, beside the plan's."""

_SHIPPED_TRUST = {"router": 1.0, "gpt": MODEL_TRUST}

OnProgress = Callable[[str, float, str], None]
"""Called with a model's name, the share of its work that is done, and a word on it."""


@dataclass
class Result:
    """What each model said of the questions, and the figures. `notes` are what was fitted for kefu."""

    labels: tuple[str, ...]
    right: tuple[str, ...]
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, odds: np.ndarray, floor: float = 0.0, **more: Any) -> None:
        self.verdicts[name] = verdicts(odds, self.labels, floor)
        self.figures[name] = score(self.verdicts[name], self.right) | more


def baselines(choice: str) -> tuple[str, ...]:
    """The baselines that "none", "all" or names with commas stand for. Raises IntentsError."""
    if choice in ("none", "all"):
        return BASELINES if choice == "all" else ()
    names = tuple(name.strip() for name in choice.split(",") if name.strip())
    if unknown := [name for name in names if name not in BASELINES]:
        raise IntentsError(
            f"no baseline is called {unknown[0]!r}; there are {', '.join(BASELINES)}, all, none"
        )
    return names


def evaluate_shipped(test: Sequence[Example], model: Path, on_progress: OnProgress) -> Result:
    """The shipped label set only: the checkpoint's router, its GPT without facts, and both. Raises IntentsError."""
    if unknown := sorted({example.intent for example in test} - set(QUESTION_TYPES)):
        raise IntentsError(
            f"{unknown[0]!r} is none of the shipped question types (model/prompt.py); "
            "give --train FILE, or --split, to learn the types of your own"
        )
    result = Result(QUESTION_TYPES, tuple(example.intent for example in test))
    loaded, router = checkpoint.load(model), Router.load(model)
    began = time.monotonic()
    opinions: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(test), 64):
        some = [example.text for example in test[start : start + 64]]
        for name, odds in shipped_opinions(loaded, router, some).items():
            opinions.setdefault(name, []).append(odds)
        on_progress("kefu", min(1.0, (start + 64) / len(test)), "")
    seconds = round((time.monotonic() - began) / len(test), 5)
    whole = {name: np.concatenate(parts) for name, parts in opinions.items()}
    result.add("kefu", join(whole, _SHIPPED_TRUST), seconds_per_question=seconds)
    for name, odds in whole.items():
        result.add(f"kefu_{name}", odds)
    return result


def evaluate_taught(
    train: Sequence[Example],
    test: Sequence[Example],
    rivals: Sequence[str],
    model: Path,
    cache: Path,
    seed: int,
    plan: Plan,
    on_progress: OnProgress,
    encoder: Path | None = None,
    tuned: bool = True,
) -> Result:
    """Teach kefu and the rivals the types of `train` and judge all on `test`.

    encoder: the pretrained encoder's file of weights; without it kefu has the experts that need none.
    tuned: whether its upper layers learn too; without, a linear classifier over its vectors does alone.
    Raises IntentsError and PretrainedError.
    """
    known = {example.intent for example in train}
    if len(known) < 2:
        raise IntentsError("the training file has one type only; give at least two")
    learning, aside = divide(train, ASIDE, seed)
    if not aside:
        raise IntentsError(
            "the training file is too small to set a tenth of it aside; give at least ten a type"
        )
    labels = tuple(sorted(known | {example.intent for example in test}))
    result = Result(labels, tuple(example.intent for example in test))
    school = _School(learning, aside, test, labels, model, cache, seed, plan, on_progress, encoder)
    aside_odds: dict[str, np.ndarray] = {}
    test_odds: dict[str, np.ndarray] = {}
    experts = EXPERTS + ((ENCODED if tuned else ENCODED[:1]) if encoder else ())
    for name in experts:
        aside_odds[name], test_odds[name], more = school.teach(name)
        result.add(f"kefu_{name}", test_odds[name], **more)
        if name in AGAIN:
            test_odds[name] = school.taught_again(name)
    result.notes = {"learned_from": len(learning), "set_aside": len(aside)}
    products = {"kefu": experts} | ({"kefu_without_encoder": EXPERTS} if encoder else {})
    for name, chosen in products.items():
        trust = fit_trust({one: aside_odds[one] for one in chosen}, school.aside_targets)
        floor = fit_floor(join({one: aside_odds[one] for one in chosen}, trust), school.aside_targets, labels)
        seconds = sum(result.figures[f"kefu_{one}"]["seconds_per_question"] for one in chosen)
        odds = join({one: test_odds[one] for one in chosen}, trust)
        result.add(name, odds, floor, seconds_per_question=round(seconds, 5))
        if name == "kefu":
            result.notes |= {"trust": trust, "floor": floor}
    for name in rivals:
        _, odds, more = school.teach(name)
        result.add(name, odds, **more)
    order = [*products, *(f"kefu_{name}" for name in experts), *rivals]
    result.figures = {name: result.figures[name] for name in order}
    return result


class _School:
    """Teaches one model after the other, or finds what it learned before."""

    def __init__(
        self,
        learning: Sequence[Example],
        aside: Sequence[Example],
        test: Sequence[Example],
        labels: Sequence[str],
        model: Path,
        cache: Path,
        seed: int,
        plan: Plan,
        on_progress: OnProgress,
        encoder: Path | None,
    ) -> None:
        number = {label: index for index, label in enumerate(labels)}
        self._texts = [[example.text for example in part] for part in (learning, aside, test)]
        self._targets = np.array([number[example.intent] for example in learning])
        self.aside_targets = np.array([number[example.intent] for example in aside])
        self._labels, self._model, self._seed, self._plan = len(labels), model, seed, plan
        self._on_progress = on_progress
        config = (model / "config.json").read_bytes() if (model / "config.json").is_file() else b""
        decides = [
            FORMAT, fingerprint(learning), fingerprint(aside), list(labels), seed, asdict(plan),
            hashlib.sha256(config).hexdigest(),
        ]  # fmt: skip
        key = hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:20]
        self._folder = cache / key
        self._checkpoint = checkpoint.load(model)
        self._rows = [encode(self._checkpoint.tokenizer, texts) for texts in self._texts]
        self._encoder_file = encoder
        self._readings: dict[int, tuple[Reading, float]] = {}

    def teach(self, name: str) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """The probabilities of one model on the part set aside and on the test, and how long it took."""
        self._on_progress(name, 0.0, "")
        began = time.monotonic()
        if name in _RATES:
            network, kept = self._network(name)
            seconds = time.monotonic() - began
            judge = lambda part: self._judge(network, part)  # noqa: E731
        else:
            classifier, kept = self._classifier(name)
            seconds = time.monotonic() - began
            judge = lambda part: classifier.probabilities(self._questions(name, part))  # noqa: E731
        aside = judge(1)
        reading = self._read(2)[1] if name in ENCODED else 0.0
        began = time.monotonic()
        test = judge(2)
        # The encoder reads a question once for both of its experts; the first pays.
        each = (time.monotonic() - began + (reading if name == ENCODED[0] else 0)) / max(1, len(test))
        self._on_progress(name, 1.0, "learned before" if kept else "")
        more = {"seconds_per_question": round(each, 5)}
        if not kept:
            more["training_seconds"] = round(seconds, 1)
        return aside, test, more

    def taught_again(self, name: str) -> np.ndarray:
        """The probabilities of a quick expert on the test, learned from the part set aside as well."""
        classifier = self._untaught(name)
        if (state := self._kept(f"{name}-again")) is not None:
            classifier.load(state)
        else:
            targets = np.concatenate([self._targets, self.aside_targets])
            both = [self._questions(name, part) for part in (0, 1)]
            whole = np.concatenate(both) if name in ENCODED else [*both[0], *both[1]]
            classifier.fit(whole, targets, self._labels, self._seed)
            self._keep(f"{name}-again", classifier.state())
        return classifier.probabilities(self._questions(name, 2))

    def _untaught(self, name: str) -> Any:
        if name == "majority":
            return Majority()
        return Vectors() if name == "vectors" else Linear(characters=name == "ngrams")

    def _questions(self, name: str, part: int) -> Any:
        """What a classifier reads: the texts, or the encoder's vectors (N, width) of them."""
        return self._read(part)[0].vectors if name in ENCODED else self._texts[part]

    def _classifier(self, name: str) -> tuple[Any, bool]:
        if name == "router":
            router = RouterExpert()
            if router.load(self._folder):
                return router, True
            router.fit(self._texts[0], self._targets, self._labels, self._seed)
            self._folder.mkdir(parents=True, exist_ok=True)
            router.save(self._folder)
            return router, False
        classifier = self._untaught(name)
        if (state := self._kept(name)) is not None:
            classifier.load(state)
            return classifier, True
        classifier.fit(self._questions(name, 0), self._targets, self._labels, self._seed)
        self._keep(name, classifier.state())
        return classifier, False

    def _network(self, name: str) -> tuple[nn.Module, bool]:
        torch.manual_seed(self._seed)
        vocabulary = self._checkpoint.tokenizer.vocab_size
        network: nn.Module
        if name == "gpt":
            loaded = checkpoint.load(self._model)
            network = gpt_classifier(loaded.model, loaded.tokenizer, self._labels, self._texts[0])
        elif name == "transformer":
            network = Encoder(vocabulary, self._labels)
        elif name == "encoder":
            network = UpperLayers(self._encoder, self._labels)
        else:
            network = Recurrent(nn.LSTM if name == "lstm" else nn.GRU, vocabulary, self._labels)
        if (state := self._kept(name)) is not None:
            network.load_state_dict({key: torch.from_numpy(value) for key, value in state.items()})
            return network, True
        rows = self._rows[:2]
        if isinstance(network, UpperLayers):
            first, second = (self._read(part)[0] for part in (0, 1))
            network.begin(self._classifier("vectors")[0].state())
            network.table = torch.cat([first.table, second.table])
            rows = [first.rows, [[len(first.table) + place for place in row] for row in second.rows]]
        plan = replace(
            self._plan,
            learning_rate=self._plan.learning_rate * _RATES[name],
            tokens=round(self._plan.tokens * _LONGER.get(name, 1)),
        )
        learn(
            network, rows[0], self._targets, rows[1], self.aside_targets, plan, self._seed,
            lambda share, text: self._on_progress(name, share, text), self._folder / f"{name}.part",
        )  # fmt: skip
        self._keep(name, {key: value.contiguous().numpy() for key, value in network.state_dict().items()})
        return network, False

    def _judge(self, network: nn.Module, part: int) -> np.ndarray:
        if not isinstance(network, UpperLayers):
            return probabilities(network, self._rows[part])
        reading, _ = self._read(part)
        network.table = reading.table
        return probabilities(network, reading.rows)

    @cached_property
    def _encoder(self) -> Pretrained:
        assert self._encoder_file is not None
        return Pretrained(self._encoder_file)

    def _read(self, part: int) -> tuple[Reading, float]:
        """What the encoder makes of a part, and the seconds that it took; what is learned from is kept in a file."""
        if part not in self._readings:
            path = self._folder / "reading.safetensors"
            try:
                found = Reading.of(load_tensors(path)) if part == 0 and path.is_file() else None
            except (SafetensorError, OSError):  # cut off by a full disk
                found = None
            began = time.monotonic()
            if found is None:
                found = self._encoder.read(
                    self._texts[part], lambda share: self._on_progress("reading", share, "")
                )
                if part == 0:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    save_tensors(found.tensors(), path.with_suffix(".new"))
                    os.replace(path.with_suffix(".new"), path)
            self._readings[part] = found, time.monotonic() - began
        return self._readings[part]

    def _kept(self, name: str) -> dict[str, np.ndarray] | None:
        path = self._folder / f"{name}.safetensors"
        try:
            return load_file(path) if path.is_file() else None
        except (SafetensorError, OSError):  # a file cut off by a full disk is learned again
            return None

    def _keep(self, name: str, state: dict[str, np.ndarray]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{name}.safetensors"
        save_file(
            {key: np.ascontiguousarray(value) for key, value in state.items()}, path.with_suffix(".new")
        )
        os.replace(path.with_suffix(".new"), path)
