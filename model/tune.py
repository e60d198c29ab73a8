"""Tunes any causal language model of the transformers library on our dialogues, with LoRA (arXiv 2106.09685).

A lesson is one question as `model.general` puts it: the source that code has chosen, in plain words, and the answer. Loss
falls on the answer only, and only there is the vocabulary computed, which is most of the work for a small model with a
large one. One lesson at a time, several to a step. A run is a folder: the
adapter as peft reads it, `state.pt` to go on from, `run.json`, `loss.png`; started again, it goes on.
"""

import json
import math
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from torch.nn import functional as F
from transformers import StoppingCriteriaList

from model.check import unsupported
from model.data.corpus import Corpus, load_corpus
from model.data.dialogues import Dialogue, DialogueMaker
from model.data.en_topics import EN
from model.data.zh_topics import ZH
from model.decoders import Message
from model.general import render
from model.prompt import Exchange
from model.second_voice import answer_ids, end_of, load_voice, prompt_ids, save_merged
from model.slots import find_values
from model.types import PastTurn

STATE = "state.pt"
_EXAM_SEED = 1_000_003
_SAVE_SECONDS = 120.0


class TuneError(ValueError):
    """A run that cannot be started; the text says what to do."""


@dataclass(frozen=True)
class TuneSettings:
    """What a run is started with."""

    base: str
    minutes: float
    """How long this call tunes; the rate falls over it. The exams before and after come on top."""
    rank: int = 8
    learning_rate: float = 5e-4
    dialogues: int = 2
    """Dialogues to a step."""
    longest: int = 320
    """Dialogues with more tokens are left out."""
    questions: int = 20
    """Questions of the exam, in each language; 0 for none."""
    merge: bool = False
    """Whether to write base and adapter as one model besides, to be served."""
    seed: int = 1
    threads: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class Question:
    """A question that one source answers: what the model is told, the source, and the right answer."""

    language: str
    message: Message
    source: str
    answer: str


@dataclass(frozen=True)
class Lesson:
    """A question with its answer in tokens; `places` are the positions before each token of the answer."""

    ids: list[int]
    places: range


def questions(dialogue: Dialogue) -> list[Question]:
    """The questions of a dialogue that a source answers; the others are code's matter and not the voice's."""
    found = []
    for number, exchange in enumerate(dialogue.exchanges):
        if exchange.key is not None:
            fact = dialogue.facts[exchange.key]
            told = render(
                fact.title,
                fact.text,
                exchange.question,
                dialogue.language,
                _past(dialogue.exchanges[:number]),
            )
            source = f"{fact.title}: {fact.text}"
            found.append(Question(dialogue.language, told, source, exchange.answer.strip()))
    return found


def lesson(question: Question, tokenizer: Any) -> Lesson:
    """A question and its answer as the network learns them."""
    given = prompt_ids(tokenizer, [question.message])
    answer = answer_ids(tokenizer, [question.message], question.answer)
    return Lesson([*given, *answer], range(len(given) - 1, len(given) - 1 + len(answer)))


def _past(exchanges: Sequence[Exchange]) -> list[PastTurn]:
    return [PastTurn(exchange.question, exchange.answer.strip()) for exchange in exchanges[-1:]]


def answer_loss(model: Any, lesson: Lesson) -> torch.Tensor:
    """The mean loss on one answer."""
    device = next(model.parameters()).device
    places = torch.tensor(list(lesson.places), device=device)
    ids = torch.tensor([lesson.ids], device=device)
    logits = model(input_ids=ids, logits_to_keep=places).logits[0]  # (answer tokens, vocabulary)
    return F.cross_entropy(logits.float(), ids[0, places + 1])


def tune_voice(data: Path | None, out: Path, settings: TuneSettings, console: Console) -> dict[str, Any]:
    """Tune, or go on in the folder `out`; returns the run's record. Raises VoiceError and TuneError."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    corpus = load_corpus(data) if data else Corpus()
    model, tokenizer = load_voice(settings.base, None, settings.device)
    console.print(f"{sum(p.numel() for p in model.parameters()):,} parameters in {settings.base}")
    exam = _exam(corpus, settings.questions)
    state = _Run.begin(out, settings)
    if settings.questions and not state.before:
        state.before = examine(model, tokenizer, exam, console, "exam before")
    model = get_peft_model(
        model,
        LoraConfig(
            r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.0)
    if state.weights:
        set_peft_model_state_dict(model, state.weights)
        optimizer.load_state_dict(state.optimizer)
        console.print(f"Going on after {state.dialogues:,} dialogues in {out}")
    _loop(model, tokenizer, optimizer, _makers(corpus), state, out, settings, console)
    model.eval()
    after = examine(model, tokenizer, exam, console, "exam after") if settings.questions else {}
    record = {
        "command": "kefu train voice", "settings": asdict(settings), "tuned_parameters": sum(p.numel() for p in trained),
        "dialogues": state.dialogues, "steps": state.steps, "seconds": round(state.seconds), "losses": state.losses,
        "before": state.before, "after": after, "data": corpus.hashes,
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }  # fmt: skip
    save_adapter(model, out)
    if settings.merge:
        save_merged(model, tokenizer, out / "merged")
    (out / "run.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _draw(state.losses, out / "loss.png")
    return record


def save_adapter(model: Any, folder: Path) -> None:
    """Write the adapter in half precision, as peft reads it."""
    weights = {name: tensor.half() for name, tensor in get_peft_model_state_dict(model).items()}
    model.save_pretrained(folder, state_dict=weights)
    config = folder / "adapter_config.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    told["base_model_name_or_path"] = Path(
        told["base_model_name_or_path"] or ""
    ).name  # no path of this machine
    config.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty model card


def examine(
    model: Any, tokenizer: Any, exam: Sequence[Question], console: Console, title: str
) -> dict[str, Any]:
    """Greedy answers to questions in wordings set aside, as shares.

    values: all values of the right answer and no other; unsupported: answers with a value from nowhere.
    """
    rows: list[tuple[Question, str]] = []
    began = time.monotonic()
    with Progress(console=console) as progress:
        for question in progress.track(exam, description=title):
            rows.append((question, write(model, tokenizer, question.message)))
    found: dict[str, Any] = {"seconds_per_answer": round((time.monotonic() - began) / max(1, len(rows)), 2)}
    for language in ("en", "zh"):
        mine = [(question, answer) for question, answer in rows if question.language == language]
        valued = [(question, answer) for question, answer in mine if find_values(question.answer)]
        found[language] = {
            "questions": len(mine),
            "with_values": len(valued),
            "values": _share(
                set(find_values(question.answer)) == set(find_values(answer)) for question, answer in valued
            ),
            "exact": _share(question.answer == answer for question, answer in mine),
            "unsupported": _share(
                bool(unsupported(answer, [question.source, question.message.text]))
                for question, answer in mine
            ),
        }
    return found


@torch.no_grad()
def write(model: Any, tokenizer: Any, message: Message, longest: int = 96) -> str:
    """The greedy answer to one message."""
    device = next(model.parameters()).device
    ids = torch.tensor([prompt_ids(tokenizer, [message])], device=device)
    start = ids.shape[1]
    # The library's own stop strings look through the whole vocabulary first, which takes longer than an answer.
    stop = StoppingCriteriaList([lambda made, scores: _ends(tokenizer, made, start)])
    made = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=longest, do_sample=False,
        stopping_criteria=stop, pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id or 0,
    )  # fmt: skip
    return end_of(tokenizer.decode(made[0, start:], skip_special_tokens=True), [message])


def _ends(tokenizer: Any, made: torch.Tensor, start: int) -> torch.Tensor:
    """Which rows of token ids (B, T) hold a whole answer behind `start`: a paragraph's end after its words."""
    texts = [tokenizer.decode(row[start:]).lstrip() for row in made]
    return torch.tensor(["\n\n" in text for text in texts], device=made.device)


@dataclass
class _Run:
    """How far a run has come."""

    dialogues: int
    steps: int
    seconds: float
    losses: list[tuple[int, float]]
    before: dict[str, Any]
    weights: dict[str, torch.Tensor]
    optimizer: dict[str, Any]

    @classmethod
    def begin(cls, out: Path, settings: TuneSettings) -> "_Run":
        path = out / STATE
        if not path.is_file():
            out.mkdir(parents=True, exist_ok=True)
            return cls(0, 0, 0.0, [], {}, {}, {})
        saved = torch.load(path, weights_only=True)
        if saved.pop("plan") != _plan(settings):
            raise TuneError(f"{out} holds a run with other settings; use the same ones, or another --out")
        return cls(**saved)

    def save(self, model: Any, optimizer: torch.optim.Optimizer, out: Path, settings: TuneSettings) -> None:
        weights = {name: tensor.detach().cpu() for name, tensor in get_peft_model_state_dict(model).items()}
        saved = vars(self) | {
            "weights": weights,
            "optimizer": optimizer.state_dict(),
            "plan": _plan(settings),
        }
        torch.save(saved, out / "state.new")
        os.replace(out / "state.new", out / STATE)


def _loop(
    model: Any,
    tokenizer: Any,
    optimizer: torch.optim.Optimizer,
    makers: Sequence[DialogueMaker],
    state: _Run,
    out: Path,
    settings: TuneSettings,
    console: Console,
) -> None:
    began, before, saved = time.monotonic(), state.seconds, time.monotonic()
    limit = 60 * settings.minutes
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("loss –", total=limit)
        while (spent := time.monotonic() - began) < limit:
            rate = settings.learning_rate * min(1.0, (state.steps + 1) / 10) * max(0.1, 1 - spent / limit)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = 0.0
            for _ in range(settings.dialogues):
                part = answer_loss(model, _next(makers, tokenizer, state, settings)) / settings.dialogues
                part.backward()
                loss += float(part.detach())
            torch.nn.utils.clip_grad_norm_((p for p in model.parameters() if p.requires_grad), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            state.steps += 1
            state.seconds = before + time.monotonic() - began
            if not math.isfinite(loss):
                raise TuneError(
                    "the loss is not a number any more; begin anew with a smaller --learning-rate"
                )
            state.losses.append((state.dialogues, round(loss, 4)))
            bar.update(
                task,
                completed=time.monotonic() - began,
                description=f"{state.dialogues:,} dialogues, loss {loss:.3f}",
            )
            if time.monotonic() - saved > _SAVE_SECONDS:
                state.save(model, optimizer, out, settings)
                saved = time.monotonic()
    state.save(model, optimizer, out, settings)


def _next(makers: Sequence[DialogueMaker], tokenizer: Any, state: _Run, settings: TuneSettings) -> Lesson:
    """The next lesson that is short enough, one a dialogue; which one depends on the number alone."""
    while True:
        rng = Random(f"{settings.seed}:{state.dialogues}")
        state.dialogues += 1
        if found := questions(makers[state.dialogues % len(makers)].with_facts(rng)):
            made = lesson(rng.choice(found), tokenizer)
            if len(made.ids) <= settings.longest:
                return made


def _makers(corpus: Corpus, held_out: bool = False) -> list[DialogueMaker]:
    """Makers whose dialogues have values in plain words."""
    return [
        DialogueMaker(script, corpus, others, held_out=held_out, slots=False)
        for script, others in ((EN, (ZH,)), (ZH, (EN,)))
    ]


def _exam(corpus: Corpus, count: int) -> list[Question]:
    """Questions of each language in wordings of the families set aside, each the first of its dialogue."""
    exam: list[Question] = []
    for maker in _makers(corpus, held_out=True):
        rng = Random(f"{_EXAM_SEED} {maker.language}")
        mine: list[Question] = []
        while len(mine) < count:
            dialogue = maker.with_facts(rng)
            mine += questions(replace(dialogue, exchanges=dialogue.exchanges[:1]))
        exam += mine
    return exam


def _share(claims: Any) -> float:
    truths = [bool(claim) for claim in claims]
    return round(sum(truths) / len(truths), 4) if truths else 0.0


def _plan(settings: TuneSettings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in ("base", "rank", "dialogues", "longest", "seed")}


def _draw(losses: Sequence[tuple[int, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([x for x, _ in losses], [y for _, y in losses], linewidth=0.8)
    axes.set_xlabel("dialogues")
    axes.set_ylabel("loss on answers")
    figure.savefig(path, dpi=90)
