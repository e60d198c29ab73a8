"""Trains the built-in voice: tokenizer, dialogues without end, weighted loss, validation by free generation.

A run is a folder: the checkpoint as it ships, `state.pt` to go on from, `loss.png`. A run that is started again in
its folder goes on where it stopped, batch for batch. How it is told to stop: after so many steps in all, which also
sets the course of the learning rate, or after so many minutes.
"""

import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from model import checkpoint
from model.data.batches import Batch, Position, stream
from model.data.corpus import Corpus, load_corpus
from model.data.dialogues import Dialogue, DialogueMaker
from model.data.en_topics import EN
from model.data.zh_topics import ZH
from model.evaluate import confusions, generate, score, transcript
from model.gpt import GPT, GPTConfig, negative_log_likelihood
from model.prompt import SPECIAL_TOKENS
from model.tokenizer import Tokenizer

STATE = "state.pt"
_TOKENIZER_DIALOGUES = 12_000
_TYPE_LESSONS = 14_000
"""Dialogues at the beginning that are mostly questions without facts: copying is learned fast, types are not."""

_VALIDATION_SEED = 1_000_003
_TRAINING_SEED = 7
_PICTURE = "loss.png"
_REPORT_EVERY = 50
_SHOWN = 5


class TrainingError(ValueError):
    """A run that cannot be started; the text says what to do."""


@dataclass(frozen=True)
class Settings:
    """What a run is started with; stored with its result."""

    minutes: float | None = None
    """Stop after so many minutes of this call."""
    steps: int | None = None
    """The whole plan. Without it the plan is the minutes."""
    batch_tokens: int = 1536
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_steps: int = 60
    decay_from: float = 0.4
    """Where the learning rate begins to fall, as a share of the plan."""
    final_rate: float = 0.03
    clip: float = 1.0
    validate_every: int = 600
    validation_questions: int = 80
    """Questions for each language and kind of phrasing."""
    final_questions: int = 300
    seed: int = 1
    threads: int = 1
    device: str = "cpu"
    model: GPTConfig = field(default_factory=GPTConfig)

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise TrainingError("Say how long to train: --minutes N, --steps N, or both.")
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise TrainingError("No CUDA device is available here. Use --device cpu.")


@dataclass
class State:
    """How far a run has come; everything that a later call needs to go on."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    position: Position = field(default_factory=Position)
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[dict[str, Any]] = field(default_factory=list)
    best: float = -1.0
    calls: list[dict[str, Any]] = field(default_factory=list)
    """One entry for each time the run was started: from which step, with what limits."""


Make = Callable[[Random, int], Dialogue]
"""Makes a dialogue, given how many came before."""


def mixed(makers: Sequence[DialogueMaker]) -> Make:
    """One maker out of several, each as often as the others; at first mostly lessons in question types."""

    def make(rng: Random, number: int) -> Dialogue:
        share = 0.8 if number < _TYPE_LESSONS else 0.25
        return rng.choice(makers).make(rng, share)

    return make


def train_tokenizer(make: Make, vocab_size: int, dialogues: int) -> Tokenizer:
    """A vocabulary learned from the kind of text that the network will read."""
    rng = Random(_TRAINING_SEED)
    texts = []
    for _ in range(dialogues):
        dialogue = make(rng, _TYPE_LESSONS)
        texts += [f"{fact.title}: {fact.text}" for fact in dialogue.facts]
        texts += [text for exchange in dialogue.exchanges for text in (exchange.question, exchange.answer)]
    return Tokenizer.train(texts, vocab_size, SPECIAL_TOKENS)


def learning_rate(settings: Settings, step: int, progress: float) -> float:
    """Warm-up by steps, then constant, then falling linearly with the progress of the plan."""
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    left = min(1.0, (1.0 - progress) / (1.0 - settings.decay_from))
    return settings.learning_rate * warm * max(settings.final_rate, left)


class Trainer:
    """One network on its way. `batches` moves `state.position`."""

    def __init__(
        self,
        settings: Settings,
        tokenizer: Tokenizer,
        make: Make,
        state: State | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.tokenizer = tokenizer
        self.state = state or State()
        self.model = GPT(settings.model).to(settings.device)
        matrices = [p for p in self.model.parameters() if p.ndim >= 2]
        others = [p for p in self.model.parameters() if p.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(0.9, 0.98),
        )
        self._batches = stream(
            make, tokenizer, settings.batch_tokens, settings.model.context, settings.seed, self.state.position
        )

    def step(self, progress: float) -> float:
        """One step of the optimizer; returns the loss before it."""
        batch = next(self._batches).to(self.settings.device)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.settings, self.state.step, progress)
        self.model.train()
        loss = self._loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.state.step += 1
        self.state.tokens += batch.ids.numel()
        return float(loss.detach())

    def _loss(self, batch: Batch) -> torch.Tensor:
        with torch.autocast("cuda", torch.bfloat16, enabled=self.settings.device.startswith("cuda")):
            log_probs = self.model(batch.ids, batch.wanted)
        return negative_log_likelihood(log_probs.float(), batch.targets, batch.weights)

    def save(self, path: Path) -> None:
        """Everything to go on from, replaced whole."""
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "state": asdict(self.state),
                "settings": _plan(self.settings),
            },
            path.with_suffix(".new"),
        )
        path.with_suffix(".new").replace(path)

    @classmethod
    def resume(cls, path: Path, settings: Settings, tokenizer: Tokenizer, make: Make) -> "Trainer":
        """The run that `save` wrote. Raises TrainingError when it was another run."""
        saved = torch.load(path, map_location=settings.device, weights_only=True)
        if saved["settings"] != _plan(settings):
            raise TrainingError(
                f"{path.parent} holds a run with other settings ({saved['settings']}). "
                "Use the same ones, or another --out."
            )
        raw = saved["state"]
        state = State(**(raw | {"position": Position(**raw["position"])}))
        trainer = cls(settings, tokenizer, make, state)
        trainer.model.load_state_dict(saved["model"])
        trainer.optimizer.load_state_dict(saved["optimizer"])
        return trainer


def train_text(data: Path | None, out: Path, settings: Settings, console: Console) -> dict[str, Any]:
    """Train or go on training in the folder `out`; returns the run record."""
    torch.set_num_threads(settings.threads)
    corpus = load_corpus(data) if data else Corpus()
    makers = [DialogueMaker(EN, corpus, (ZH,)), DialogueMaker(ZH, corpus, (EN,))]
    make = mixed(makers)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer_path = out / "tokenizer.json"
    if (out / STATE).exists():
        tokenizer = Tokenizer.load(tokenizer_path)
        trainer = Trainer.resume(out / STATE, settings, tokenizer, make)
        console.print(f"Going on at step {trainer.state.step:,} in {out}")
    else:
        console.print(f"Learning a vocabulary of {settings.model.vocab_size:,} tokens")
        tokenizer = train_tokenizer(make, settings.model.vocab_size, _TOKENIZER_DIALOGUES)
        if tokenizer.vocab_size != settings.model.vocab_size:
            raise TrainingError(
                f"The texts give only {tokenizer.vocab_size} tokens; use --vocabulary {tokenizer.vocab_size}."
            )
        tokenizer.save(tokenizer_path)
        trainer = Trainer(settings, tokenizer, make)
    limits = {"minutes": settings.minutes, "steps": settings.steps, "decay_from": settings.decay_from}
    trainer.state.calls.append({"from_step": trainer.state.step, **limits})
    parameters = sum(p.numel() for p in trainer.model.parameters())
    console.print(f"{parameters:,} parameters, {settings}")
    exams = _exams(corpus, settings.validation_questions)
    record = _record(settings, corpus, parameters)
    _loop(trainer, exams, out, record, console)
    finals = {
        name: generate(trainer.model, tokenizer, dialogues)
        for name, dialogues in _exams(corpus, settings.final_questions).items()
    }
    record |= {
        "final": {name: score(replies) for name, replies in finals.items()},
        "confusions": {name: confusions(replies) for name, replies in finals.items()},
        **_progress_record(trainer.state),
    }
    checkpoint.save(out, trainer.model, tokenizer, record)
    draw(trainer.state, out / _PICTURE)
    for name, replies in finals.items():
        console.print(name, json.dumps(record["final"][name]), highlight=False)
        for reply in replies[:_SHOWN]:
            console.print(transcript(reply), markup=False, highlight=False)
    return record


def _loop(
    trainer: Trainer, exams: dict[str, list[Dialogue]], out: Path, record: dict[str, Any], console: Console
) -> None:
    """Steps until the plan or the time is over; now and then an examination, and the best so far is kept."""
    settings, state = trainer.settings, trainer.state
    began, seconds_before = time.monotonic(), state.seconds
    progress_before = progress = _progress(settings, state)
    recent: list[float] = []
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("loss –", total=1.0, completed=progress, left="")
        while progress < 1 and (spent := time.monotonic() - began) < 60 * (settings.minutes or math.inf):
            recent.append(trainer.step(progress))
            state.seconds = seconds_before + spent
            progress = _progress(settings, state)
            if state.step % _REPORT_EVERY == 0:
                loss = sum(recent) / len(recent)
                state.losses.append((state.step, round(loss, 4)))
                recent.clear()
                left = spent / max(1e-9, progress - progress_before) * (1 - progress) / 60
                text = f"step {state.step:,} loss {loss:.3f}"
                bar.update(task, completed=progress, description=text, left=f"{left:.0f} min left")
            if state.step % settings.validate_every == 0:
                result = {"step": state.step, "seconds": round(state.seconds), **_examine(trainer, exams)}
                state.validations.append(result)
                console.print(json.dumps({"losses": state.losses[-1:], "tokens": state.tokens} | result))
                trainer.save(out / STATE)
                quality = sum(
                    part["exact"] + part["type"] for part in result.values() if isinstance(part, dict)
                )
                if quality >= state.best:
                    state.best = quality
                    checkpoint.save(out, trainer.model, trainer.tokenizer, record | _progress_record(state))
    trainer.save(out / STATE)


def _progress(settings: Settings, state: State) -> float:
    """How much of the plan is done, from 0 to 1."""
    if settings.steps is not None:
        return state.step / settings.steps
    assert settings.minutes is not None
    return min(1.0, state.seconds / (settings.minutes * 60))


def _exams(corpus: Corpus, questions: int) -> dict[str, list[Dialogue]]:
    """Dialogues for validation: phrasings of the training families, and of families never trained on."""
    exams = {}
    for script in (EN, ZH):
        for name, held_out in (("seen", False), ("held_out", True)):
            maker = DialogueMaker(script, corpus, held_out=held_out)
            rng = Random(f"{_VALIDATION_SEED} {script.language} {name}")
            exams[f"{script.language}_{name}"] = [maker.with_facts(rng) for _ in range(questions)]
    return exams


def _examine(trainer: Trainer, exams: dict[str, list[Dialogue]]) -> dict[str, Any]:
    return {
        name: score(generate(trainer.model, trainer.tokenizer, dialogues))
        for name, dialogues in exams.items()
    }


def _record(settings: Settings, corpus: Corpus, parameters: int) -> dict[str, Any]:
    return {
        "command": "kefu train text",
        "settings": asdict(settings),
        "parameters": parameters,
        "data": corpus.hashes,
        "source": _source_hashes(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "machine": {"processor": platform.machine(), "device": settings.device, "threads": settings.threads},
    }


def _progress_record(state: State) -> dict[str, Any]:
    return {
        "steps": state.step,
        "tokens": state.tokens,
        "seconds": round(state.seconds),
        "calls": state.calls,
        "losses": state.losses,
        "validations": state.validations,
    }


def _source_hashes() -> dict[str, str]:
    """The hash of every file that decides what the examples look like."""
    folder = Path(__file__).parent
    files = [*sorted((folder / "data").glob("*.py")), folder / "prompt.py", folder / "slots.py"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files}


def _plan(settings: Settings) -> dict[str, Any]:
    """The settings that must not change within a run."""
    varying = {"minutes", "threads", "device", "validate_every", "validation_questions", "final_questions"}
    return {name: value for name, value in asdict(settings).items() if name not in varying}


def draw(state: State, path: Path) -> None:
    """The picture of a run: loss, and accuracy on seen and unseen phrasings."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    left.plot(*zip(*state.losses, strict=True) if state.losses else ([], []))
    left.set(xlabel="step", ylabel="loss on types, keys and answers", yscale="log")
    names = [name for name, part in (state.validations or [{}])[-1].items() if isinstance(part, dict)]
    for name in names:
        steps = [result["step"] for result in state.validations]
        right.plot(steps, [result[name]["type"] for result in state.validations], label=f"{name} type")
        exact = [result[name]["exact"] for result in state.validations]
        right.plot(steps, exact, linestyle="--", label=f"{name} exact")
    right.set(xlabel="step", ylabel="share right", ylim=(0, 1))
    if names:
        right.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
