"""Trains the behaviour GPT: windows of histories, validation by full ranking, early stopping, the blend.

A run is a folder: the checkpoint as it ships, `state.pt` to go on from, `loss.png`. A run that is started again in
its folder goes on where it stopped.
"""

import copy
import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from scipy import sparse
from scipy.sparse.linalg import svds

from model.interactions import Events, Interactions
from model.neighbours import Kind, Neighbours
from model.ranking import ROWS, Case, ProtocolName, Seen, Split, choose_protocol, quick_ndcg, split
from model.recommender import (
    DRAWN,
    FULL_SOFTMAX,
    FULL_SOFTMAX_CPU,
    BehaviourConfig,
    BehaviourGPT,
    Recommender,
    hash_words,
    is_positive,
    loss_of,
    make_batch,
    mixed,
)
from model.transitions import Transitions, count_pairs

STATE = "state.pt"
_PICTURE = "loss.png"
_BLENDS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_DECAYS = (0.5, 0.7, 0.85)
_KEPT_TRANSITIONS = 100
_LEAST_GAIN = 1e-5
_FEWEST_BLEND_CASES = 1500
_BLEND_SCORES = 40_000_000
"""Scores held at a time while the blend is chosen; the more validation cases it is chosen on, the better."""
_SHARES = (0.1, 0.2, 0.35, 0.5, 0.7)
_SHARPNESSES = (1.0, 2.0)
_BLENDED_EASE = 10_000
_WORTH = 0.01


class TrainingError(ValueError):
    """A run that cannot be started; the text says what to do."""


@dataclass(frozen=True)
class Settings:
    """What a run is started with; stored with its result. None: chosen by the data."""

    minutes: float | None = None
    epochs: int = 200
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    warmup_steps: int = 100
    average: float = 0.998
    """Decay of the moving average of the weights, which is what is examined and kept."""
    rows: int | None = None
    patience: int = 10
    """Validations without a gain after which training ends."""
    validation_cases: int = 4000
    protocol: ProtocolName | None = None
    seen: Seen = "exclude"
    context: int | None = None
    layers: int = 1
    recurrent: int = 1
    heads: int = 2
    width: int = 64
    dropout: float = 0.3
    words: int | None = None
    head_start: float = 0.04
    """Size of the vectors that items begin with where counts put them; 0: they begin at random."""
    negatives: int | None = None
    """Items drawn for the loss of a step; None: all of them up to FULL_SOFTMAX, on a CPU up to FULL_SOFTMAX_CPU."""
    seed: int = 1
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise TrainingError("No CUDA device is available here. Use --device cpu.")


@dataclass
class State:
    """How far a run has come."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)
    best: float = -1.0
    since_best: int = 0


def shape_for(data: Interactions, settings: Settings) -> BehaviourConfig:
    """The network's shape: context by the usual length of a history, words only where items have some."""
    lengths = sorted(len(events) for events in data.events)
    usual = lengths[int(0.9 * len(lengths))]
    context = settings.context or min(200, max(20, 2 ** math.ceil(math.log2(max(usual, 2)))))
    has_text = any(text.words() for text in data.texts.values())
    words = settings.words if settings.words is not None else 4096 if has_text else 0
    return BehaviourConfig(
        items=len(data.items), actions=len(data.actions), words=words, context=context,
        layers=settings.layers, heads=settings.heads, width=settings.width, hidden=2 * settings.width,
        dropout=settings.dropout, recurrent=settings.recurrent,
    )  # fmt: skip


def rows_for(windows: int) -> int:
    """Histories in a batch: about three hundred steps a pass; with fewer, what minutes are given teaches too little."""
    return int(min(128, max(16, 2 ** round(math.log2(max(windows, 1) / 300)))))


def item_words(data: Interactions, buckets: int) -> list[list[int]]:
    """The hashed words of each item, in the order of their numbers."""
    if not buckets:
        return []
    return [
        hash_words(data.texts[item].words(), buckets) if item in data.texts else [] for item in data.items
    ]


def batches_of(cut: Split, length: int, rows: int, generator: np.random.Generator) -> Iterator[list[Events]]:
    """Windows of at most `length` + 1 events, at a new offset in every epoch; alike lengths together."""
    windows = []
    for events in cut.train:
        if cut.next_basket:
            events = _shuffled(events, generator)
        end = len(events)
        if end > length + 1 and (late := int(generator.integers(0, length))):
            windows.append(events[end - late - 1 :])
            end -= late
        while end > 1:
            windows.append(events[max(0, end - length - 1) : end])
            end -= length
    order = generator.permutation(len(windows))
    for start in range(0, len(order), 8 * rows):
        some = sorted((windows[i] for i in order[start : start + 8 * rows]), key=len)
        batches = [some[i : i + rows] for i in range(0, len(some), rows)]
        for i in generator.permutation(len(batches)):
            yield batches[i]


def drawn_items(items: int, settings: Settings) -> int | None:
    """How many items are drawn for the loss of a step; None: it is over all of them."""
    most = FULL_SOFTMAX if settings.device.startswith("cuda") else FULL_SOFTMAX_CPU
    return settings.negatives or (DRAWN if items > most else None)


def sampling(cut: Split, settings: Settings) -> tuple[torch.Tensor, int] | tuple[()]:
    """How often each item occurs and how many are drawn, for `loss_of`; empty where the loss is over all items."""
    drawn = drawn_items(len(cut.data.items), settings)
    if drawn is None:
        return ()
    counts = torch.from_numpy(cut.popularity()).float().to(settings.device)
    return counts / counts.sum(), drawn


def counted_vectors(cut: Split, width: int) -> torch.Tensor | None:
    """Vectors in which items are near that follow each other: where training begins (n, width); None for tiny catalogues.

    The leading singular vectors of the positive pointwise mutual information of what follows what within a few events
    (Levy, Goldberg and Dagan 2015). They take seconds, where a network takes epochs to find as much.
    """
    n = len(cut.data.items)
    if n <= 2 * width:
        return None
    follows = count_pairs([events.items for events in cut.train], n)
    pairs = (follows + follows.T).tocoo()
    totals = np.asarray((follows + follows.T).sum(1)).ravel()
    smooth = totals**0.75 / (totals**0.75).sum()  # so that a pair of rare items does not say too much
    information = np.log(pairs.data / np.maximum(totals[pairs.row] * smooth[pairs.col], 1e-9))
    keep = information > 0
    table = sparse.csr_matrix((information[keep], (pairs.row[keep], pairs.col[keep])), shape=(n, n))
    if table.nnz <= width:
        return None
    start = np.random.default_rng(1).standard_normal(n)
    left, values, _ = svds(table, k=width, v0=start, tol=0.01)
    vectors = left * np.sqrt(values)
    return torch.from_numpy(np.ascontiguousarray(vectors / max(vectors.std(), 1e-9))).float()


class Trainer:
    """One network on its way over one split. `network` makes it of its shape and the items' hashed words."""

    def __init__(
        self,
        cut: Split,
        settings: Settings,
        network: Callable[[BehaviourConfig, list[list[int]]], BehaviourGPT] = BehaviourGPT,
    ) -> None:
        self.cut, self.settings, self.state = cut, settings, State()
        torch.manual_seed(settings.seed)
        self.shape = shape_for(cut.data, settings)
        self.words = item_words(cut.data, self.shape.words)
        self.model = network(self.shape, self.words).to(settings.device)
        if settings.head_start and (vectors := counted_vectors(cut, self.shape.width)) is not None:
            with torch.no_grad():
                self.model.item.weight.copy_(settings.head_start * vectors)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.average.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), settings.learning_rate, betas=(0.9, 0.98),
            weight_decay=settings.weight_decay,
        )  # fmt: skip
        self.sample = sampling(cut, settings)
        self.positive = np.array([is_positive(action) for action in cut.data.actions])
        windows = sum(math.ceil(max(0, len(e) - 1) / self.shape.context) for e in cut.train)
        if not windows:
            raise TrainingError("No user has two events in the training part; give more events.")
        self.rows = settings.rows or rows_for(windows)
        self.batches = math.ceil(windows / self.rows)
        generator = np.random.default_rng(settings.seed)
        cases = cut.validation
        if len(cases) > settings.validation_cases:
            chosen = np.sort(generator.choice(len(cases), settings.validation_cases, replace=False))
            cases = tuple(cases[i] for i in chosen)
        self.cases = cases

    def epoch(self, on_step: Callable[[], bool] = lambda: True) -> float:
        """One pass over all windows; ends early when `on_step` says False. Returns the mean loss."""
        generator = np.random.default_rng([self.settings.seed, self.state.epoch])
        self.model.train()
        total = count = 0.0
        for windows in batches_of(self.cut, self.shape.context, self.rows, generator):
            total, count = total + self._step(windows, generator), count + 1
            if not on_step():
                break
        self.state.epoch += 1
        loss = total / max(count, 1)
        self.state.losses.append((self.state.step, round(loss, 4)))
        return loss

    def loss(self, windows: Sequence[Events], generator: np.random.Generator) -> torch.Tensor | None:
        """The mean loss over some windows; None where nothing in them may be learned as what comes next."""
        device = self.settings.device
        targets = [window.items[1:].copy() for window in windows]
        ends = [np.zeros(len(target), dtype=np.int64) for target in targets]
        wanted = [self.positive[window.actions[1:]] for window in windows]
        if self.cut.next_basket:
            for window, target, end in zip(windows, targets, ends, strict=True):
                _ask_for_baskets(window, target, end, generator)
        batch = make_batch([window[:-1] for window in windows], self.shape.context, ends, device)
        keep = torch.zeros(batch.items.shape, dtype=torch.bool)
        right = torch.zeros(batch.items.shape, dtype=torch.long)
        for row, (target, want) in enumerate(zip(targets, wanted, strict=True)):
            keep[row, : len(target)] = torch.from_numpy(want)
            right[row, : len(target)] = torch.from_numpy(target)
        keep, right = keep.to(device), right.to(device)
        if not keep.any():
            return None
        vectors = self.model.vectors()
        return loss_of(self.model(batch, vectors)[keep], vectors, right[keep], *self.sample)

    def _step(self, windows: Sequence[Events], generator: np.random.Generator) -> float:
        settings = self.settings
        if (loss := self.loss(windows, generator)) is None:
            return 0.0
        rate = settings.learning_rate * min(1.0, (self.state.step + 1) / settings.warmup_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.state.step += 1
        decay = min(settings.average, (1 + self.state.step) / (10 + self.state.step))
        with torch.no_grad():
            for kept, new in zip(self.average.parameters(), self.model.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
        return float(loss.detach())

    def validate(self) -> bool:
        """Examine the averaged weights and keep them if they are the best so far; False when patience is at an end."""
        state = self.state
        ndcg = quick_ndcg(self.score_with(self.average), self.cases, self.cut.seen)
        state.validations.append((state.step, round(ndcg, 5)))
        if ndcg > state.best + _LEAST_GAIN:
            state.best, state.since_best = ndcg, 0
            self.best = copy.deepcopy(self.average.state_dict())
        else:
            state.since_best += 1
        return state.since_best < self.settings.patience

    def score_with(self, model: BehaviourGPT) -> Callable[[Sequence[Case]], np.ndarray]:
        """A scorer over cases with the network alone."""
        recommender = Recommender(copy.deepcopy(model), self.cut.data.items, self.cut.data.actions)
        return lambda cases: recommender.scores([case.history for case in cases], self.cut.next_basket)

    def result(self, run: dict[str, Any]) -> Recommender:
        """The best network with the blend that validation likes most."""
        model = copy.deepcopy(self.average)
        model.load_state_dict(self.best)
        blend = fit_blend(self.cut, self.score_with(model), self.cases)
        run["blend"] = blend.tried
        data = self.cut.data
        return Recommender(
            model,
            data.items,
            data.actions,
            blend.transitions,
            blend.weight,
            run,
            blend.neighbours,
            blend.share,
        )

    def save(self, path: Path) -> None:
        """Write all that a later call needs to go on."""
        record = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimiser": self.optimiser.state_dict(),
            "state": json.dumps(asdict(self.state)),
            "plan": json.dumps(plan(self.cut, self.settings)),
        }
        torch.save(record, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def resume(self, path: Path) -> None:
        """Go on from what `save` wrote. Raises TrainingError if that was another run."""
        try:
            record = torch.load(path, weights_only=True, map_location=self.settings.device)
        except Exception as error:
            raise TrainingError(
                f"{path} cannot be read ({type(error).__name__}). Delete it to begin anew."
            ) from None
        if json.loads(record["plan"]) != json.loads(json.dumps(plan(self.cut, self.settings))):
            raise TrainingError(
                f"{path} is of a run with other data or settings. Repeat those, or give another --out."
            )
        self.model.load_state_dict(record["model"])
        self.average.load_state_dict(record["average"])
        self.best = record["best"]
        self.optimiser.load_state_dict(record["optimiser"])
        self.state = State(**json.loads(record["state"]))


def plan(cut: Split, settings: Settings) -> dict[str, Any]:
    """The settings that must not change within a run, and the data's fingerprint."""
    varying = {"minutes", "threads", "device", "epochs", "patience"}
    fixed = {name: value for name, value in asdict(settings).items() if name not in varying}
    return {**fixed, "protocol": cut.protocol, "data": cut.data.fingerprint}


@dataclass
class Blend:
    """What is mixed into the network's scores, how much of it, and what each mixture gave on validation."""

    transitions: Transitions | None = None
    weight: float = 0.0
    neighbours: Neighbours | None = None
    share: float = 0.0
    tried: dict[str, float] = field(default_factory=dict)


def fit_blend(cut: Split, network: Callable[[Sequence[Case]], np.ndarray], cases: Sequence[Case]) -> Blend:
    """The mixture with the best NDCG@10 on validation, of network, transitions and neighbours.

    One ingredient is chosen after the other, and transitions once more when the neighbours are known. Neighbours cost
    memory and time, so they have to bring one part in a hundred.
    """
    sequences, n = [events.items for events in cut.train], len(cut.data.items)
    cases = cases[: max(_FEWEST_BLEND_CASES, _BLEND_SCORES // n)]
    scored = np.concatenate([network(cases[i : i + ROWS]) for i in range(0, len(cases), ROWS)])
    place = {id(case): row for row, case in enumerate(cases)}
    histories = [case.history.items for case in cases]

    def examine(scores: np.ndarray) -> float:
        return quick_ndcg(lambda some: scores[[place[id(case)] for case in some]], cases, cut.seen)

    best = examine(scored)
    blend = Blend(tried={"0.0": round(best, 5)})
    counted = [Transitions.count(sequences, n, _KEPT_TRANSITIONS, decay) for decay in _DECAYS]
    counts = [transitions.scores(histories) for transitions in counted]

    def choose_transitions(likely: np.ndarray | None = None) -> None:
        nonlocal best
        for transitions, likely_next in zip(counted, counts, strict=True):
            for weight in _BLENDS:
                scores = mixed(scored, likely_next, weight)
                name = f"{weight} decay {transitions.decay}"
                if likely is not None:
                    scores, name = mixed(scores, likely, blend.share), f"{name} beside neighbours"
                ndcg = examine(scores)
                blend.tried[name] = round(ndcg, 5)
                if ndcg > best:
                    best, blend.transitions, blend.weight = ndcg, transitions, weight

    choose_transitions()
    beside = scored
    if blend.transitions is not None:
        beside = mixed(scored, blend.transitions.scores(histories), blend.weight)
    least, found = best * (1 + _WORTH), None
    kinds: tuple[Kind, ...] = ("cosine", "ease") if n <= _BLENDED_EASE else ("cosine",)
    for kind in kinds:
        table = Neighbours.count(kind, sequences, n).table
        for sharpness in _SHARPNESSES:
            neighbours = Neighbours(table, sharpness)
            likely = neighbours.scores(histories)
            for share in _SHARES:
                ndcg = examine(mixed(beside, likely, share))
                blend.tried[f"{share} {kind} sharpness {sharpness}"] = round(ndcg, 5)
                if ndcg > least:
                    best = least = ndcg
                    blend.neighbours, blend.share, found = neighbours, share, likely
    if found is not None:
        choose_transitions(found)
    return blend


def fit(
    cut: Split,
    settings: Settings,
    console: Console,
    out: Path | None = None,
    name: str = "kefu",
    clock: Callable[[], float] = time.monotonic,
) -> Recommender:
    """Train on a split until the time, the epochs or the patience is at an end; the recommender as it is to be used.

    clock: what `minutes` are counted by; `time.process_time` gives each model the same work on a busy machine.
    """
    torch.set_num_threads(settings.threads)
    trainer = Trainer(cut, settings)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        if (out / STATE).exists():
            trainer.resume(out / STATE)
            console.print(f"Going on after epoch {trainer.state.epoch} in {out}")
    began, before = clock(), trainer.state.seconds
    limit = 60 * settings.minutes if settings.minutes else math.inf
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    run = record(cut, settings, trainer)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(name, total=1.0)

        def on_step() -> bool:
            spent = clock() - began
            done = trainer.state.step / max(1, trainer.batches * settings.epochs)
            bar.update(task, completed=max(done, spent / limit))
            return spent < limit

        while trainer.state.epoch < settings.epochs and clock() - began < limit:
            if trainer.state.since_best >= settings.patience:
                break
            loss = trainer.epoch(on_step)
            goes_on = trainer.validate()
            trainer.state.seconds = before + clock() - began
            text = f"{name} epoch {trainer.state.epoch} loss {loss:.3f} ndcg@10 {trainer.state.validations[-1][1]:.4f}"
            bar.update(task, description=text)
            if out is not None:
                trainer.save(out / STATE)
            if not goes_on:
                break
    run |= {
        "epochs": trainer.state.epoch,
        "steps": trainer.state.step,
        "seconds": round(trainer.state.seconds, 1),
        "stopped_by": why_stopped(trainer.state.epoch, trainer.state.since_best, settings),
        "best_validation_ndcg@10": trainer.state.best,
        "losses": trainer.state.losses,
        "validations": trainer.state.validations,
    }
    recommender = trainer.result(run)
    if out is not None:
        recommender.save(out)
        draw(trainer.state, out / _PICTURE)
    return recommender


def why_stopped(epochs: int, since_best: int, settings: Settings) -> str:
    """What ended a training: its own judgement (patience), or a limit that may have cut it short."""
    if since_best >= settings.patience:
        return "patience"
    return "epochs" if epochs >= settings.epochs else "minutes"


def train_behaviour(
    interactions: Path, items: Path | None, out: Path, settings: Settings, console: Console
) -> Recommender:
    """Read the data, train or go on, write the checkpoint. Raises DataError and TrainingError."""
    from model.interactions import read_interactions

    data = read_interactions(interactions, items)
    protocol = settings.protocol or choose_protocol(data)
    if protocol == "time" and not data.has_times:
        raise TrainingError(f"{interactions} has no timestamps; use --protocol last.")
    cut = split(data, protocol, settings.seen)
    if not cut.validation:
        raise TrainingError(
            f"{interactions}: no user has enough events for a validation; at least three are needed."
        )
    console.print(
        f"{len(data.users):,} users, {len(data.items):,} items, {data.size:,} events, protocol {protocol}, "
        f"{len(cut.validation):,} validation cases"
    )
    return fit(cut, replace(settings, protocol=protocol), console, out)


def record(cut: Split, settings: Settings, trainer: Trainer) -> dict[str, Any]:
    """What a run was and on what."""
    return {
        "command": "kefu train behaviour",
        "settings": asdict(settings),
        "shape": asdict(trainer.shape),
        "rows": trainer.rows,
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "data": {
            "name": cut.data.name,
            "fingerprint": cut.data.fingerprint,
            "users": len(cut.data.users),
            "items": len(cut.data.items),
            "events": cut.data.size,
        },
        "protocol": cut.protocol,
        "seen": cut.seen,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": {
            "processor": platform.machine(),
            "device": settings.device,
            "threads": settings.threads,
        },
    }


def _shuffled(events: Events, generator: np.random.Generator) -> Events:
    """The same baskets, the order within each made up: it says nothing."""
    return events[np.lexsort((generator.random(len(events)), events.baskets))]


def _ask_for_baskets(
    window: Events, target: np.ndarray, end: np.ndarray, generator: np.random.Generator
) -> None:
    """Let half of the positions ask for any item of the next basket instead of the next event."""
    baskets = window.baskets
    for basket in np.unique(baskets)[:-1]:
        here = np.flatnonzero(baskets[:-1] == basket)
        later = np.flatnonzero(baskets > basket)
        following = later[baskets[later] == baskets[later].min()]
        chosen = here[(generator.random(len(here)) < 0.5) | (here == here[-1])]
        target[chosen] = window.items[generator.choice(following, len(chosen))]
        end[chosen] = 1


def draw(state: State, path: Path) -> None:
    """The picture of a run: loss and validation."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4))
    for axis, series, label in (
        (left, state.losses, "training loss"),
        (right, state.validations, "NDCG@10 on validation"),
    ):
        axis.plot(*zip(*series, strict=True) if series else ([], []))
        axis.set(xlabel="step", ylabel=label)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
