"""Commands of the model: asking it in this process, and training it. They need the extra `worker`."""

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from typer.exceptions import TyperException

if TYPE_CHECKING:
    from model.assistant import Assistant

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
train = typer.Typer(no_args_is_help=True, help="Train a model.")
app.add_typer(train, name="train")
evaluate = typer.Typer(no_args_is_help=True, help="Measure answers on questions that no training saw.")
app.add_typer(evaluate, name="evaluate")


@app.callback()
def _commands() -> None:
    """kefu's model."""


@app.command()
def ask(
    text: Annotated[str, typer.Argument(help="The customer's question.")],
    language: Annotated[Literal["en", "zh"], typer.Option(help="Where the script does not tell.")] = "en",
    customer: Annotated[int, typer.Option(help="Whose orders may be looked up.")] = 1,
    model: Annotated[str, typer.Option(help="builtin, passages, or a checkpoint's folder.")] = "builtin",
    shop: Annotated[Path | None, typer.Option(help="Folder of the shop's data.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything.")] = False,
) -> None:
    """Ask the assistant in this process: no Redis, no Telegram.

    Example: kefu ask "How long does delivery take?" --json
    """
    from model.types import Question

    with _assistant(model, shop) as assistant:
        answer = asyncio.run(assistant.answer(Question(text, language, customer)))
    print(json.dumps(dataclasses.asdict(answer), ensure_ascii=False) if as_json else answer.text)


@app.command()
def suggest(
    wish: Annotated[str, typer.Option(help="What the customer looks for, in their words.")] = "",
    history: Annotated[str, typer.Option(help="Products they have seen or bought: ID,ID,…")] = "",
    k: Annotated[int, typer.Option(min=1, max=50, help="How many.")] = 3,
    language: Annotated[Literal["en", "zh"], typer.Option()] = "en",
    shop: Annotated[Path | None, typer.Option(help="Folder of the shop's data.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything.")] = False,
) -> None:
    """Suggest products: what fits the wish, else what is like the history, else what is popular.

    Example: kefu suggest --history P1001,P1003 --wish "under 40" --k 5
    """
    seen = [name for name in history.replace(",", " ").split() if name]
    with _assistant("passages", shop) as assistant:
        if unknown := [name for name in seen if assistant.shop.product(name) is None]:
            raise TyperException(f"the shop has no product {unknown[0]!r}; --history takes ids such as P1001")
        products = asyncio.run(assistant.suggest(wish, language, 0, shown=(), seen=seen, k=k))
    if as_json:
        rows = [dataclasses.asdict(product) for product in products]
        print(json.dumps({"products": rows}, ensure_ascii=False))
    else:
        for product in products:
            print(f"{product.product_id}  {product.title}  {product.price}")


@evaluate.command("support")
def evaluate_support(
    data: Annotated[Path, typer.Option(help="Questions with what is expected, as JSON lines.")],
    model: Annotated[str, typer.Option(help="builtin, passages, or a checkpoint's folder.")] = "builtin",
    baselines: Annotated[
        Literal["none", "all"], typer.Option(help="all: the passages alone beside it.")
    ] = "all",
    shop: Annotated[Path | None, typer.Option(help="Folder of the shop's data.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything.")] = False,
) -> None:
    """Count the right answers to a file of questions, beside answering with the best passage alone.

    Example: kefu evaluate support --data tests/data/support_questions.jsonl --json
    """
    from rich.progress import Progress
    from rich.table import Table

    from model.scorecard import QuestionsError, read_questions, score

    try:
        questions = read_questions(data)
    except QuestionsError as error:
        raise TyperException(str(error)) from None
    rivals = {"kefu": model} | ({"passages": "passages"} if baselines == "all" else {})
    results = {}
    with Progress(console=Console(stderr=True)) as progress:
        for name, which in rivals.items():
            task = progress.add_task(name, total=len(questions))
            with _assistant(which, shop) as assistant:
                results[name] = score(assistant, questions, lambda task=task: progress.advance(task))  # type: ignore[misc]
    if as_json:
        print(json.dumps({"task": "answers", "models": results}))
        return
    table = Table("share of right answers", "questions", *results)
    groups = next(iter(results.values()))["groups"]
    for group, first in groups.items():
        table.add_row(
            group,
            str(first["questions"]),
            *(f"{result['groups'][group]['right']:.2f}" for result in results.values()),
        )
    table.add_row("all", str(len(questions)), *(f"{result['right']:.2f}" for result in results.values()))
    Console().print(table)


@contextmanager
def _assistant(model: str, shop: Path | None) -> Iterator["Assistant"]:
    """An assistant; what cannot be loaded ends the command with one line."""
    from model.assistant import Assistant
    from model.checkpoint import CheckpointError
    from model.shop import ShopError

    try:
        assistant = Assistant.load(model, shop)
    except (CheckpointError, ShopError) as error:
        raise TyperException(str(error)) from None
    yield assistant
    asyncio.run(assistant.close())


@train.command("text")
def train_text(
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there goes on.")],
    data: Annotated[Path | None, typer.Option(help="Folder with support/, text/ and catalogue/.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Stop after so many minutes.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Length of the whole plan, over all calls.")
    ] = None,
    batch_tokens: Annotated[int, typer.Option(min=256, help="Tokens of a step.")] = 1536,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = 2e-3,
    layers: Annotated[int, typer.Option(min=1)] = 4,
    width: Annotated[int, typer.Option(min=16)] = 192,
    vocabulary: Annotated[int, typer.Option(min=600)] = 4096,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Train the GPT that answers customers, and write its checkpoint. A run that is there goes on.

    Example: kefu train text --data FOLDER --out runs/one --minutes 60, then kefu train types --data FOLDER --out runs/one
    """
    from model.data.corpus import CorpusError
    from model.gpt import GPTConfig
    from model.tokenizer import TokenizerError
    from model.train import Settings, TrainingError
    from model.train import train_text as run

    console = Console()
    try:
        shape = GPTConfig(
            vocab_size=vocabulary, layers=layers, width=width, hidden=width * 8 // 3 // 64 * 64 or 64
        )
        settings = Settings(
            minutes=minutes, steps=steps, batch_tokens=batch_tokens, learning_rate=learning_rate,
            seed=seed, threads=threads, device=device, model=shape,
        )  # fmt: skip
        run(data, out, settings, console)
    except (CorpusError, TokenizerError, TrainingError, ValueError) as error:
        console.print(f"[red]{error}[/red]")
        raise typer.Exit(2) from None


@train.command("types")
def train_types(
    out: Annotated[Path, typer.Option(help="The checkpoint's folder, which gets the router.")],
    data: Annotated[Path | None, typer.Option(help="Folder with support/, text/ and catalogue/.")] = None,
    questions: Annotated[
        int, typer.Option(min=10, help="Questions to make up for each type and language.")
    ] = 400,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Train the router: the linear classifier of question types. Takes about a minute.

    Example: kefu train types --data FOLDER --out runs/one
    """
    import torch
    from rich.progress import Progress

    from model.data.corpus import Corpus, CorpusError, load_corpus
    from model.data.questions import made_up_questions
    from model.prompt import QUESTION_TYPES
    from model.router import train_router

    if not out.is_dir():
        raise TyperException(f"{out} is not a folder; give the one that `kefu train text` wrote")
    torch.set_num_threads(threads)
    try:
        corpus = load_corpus(data) if data else Corpus()
    except CorpusError as error:
        raise TyperException(str(error)) from None
    examples = made_up_questions(corpus, questions, seed)
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(f"{len(examples)} questions", total=None)
        router = train_router(
            examples,
            QUESTION_TYPES,
            seed=seed,
            on_step=lambda step, steps, loss: progress.update(task, completed=step, total=steps),
        )
    router.save(out)
    for language in ("en", "zh"):
        rows = made_up_questions(corpus, 10, seed + 1, held_out=True, languages=(language,))
        right = sum(
            max(odds := router.probabilities(text), key=odds.__getitem__) == label for text, label in rows
        )
        print(
            f"{language}: {right / len(rows):.2f} of {len(rows)} questions in wordings that were set aside are right"
        )


@train.command("behaviour")
def train_behaviour(
    interactions: Annotated[Path, typer.Option(help="Events: CSV, JSONL, MovieLens or RecBole; also .gz.")],
    out: Annotated[Path, typer.Option(help="Folder of the run; a run that is there goes on.")],
    items: Annotated[Path | None, typer.Option(help="Items with titles and categories.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Stop after so many minutes.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the data at most.")] = 200,
    patience: Annotated[int, typer.Option(min=1, help="Validations without a gain before the end.")] = 10,
    protocol: Annotated[
        Literal["last", "basket", "time"] | None, typer.Option(help="What is held back; else by the data.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = 3e-3,
    rows: Annotated[int | None, typer.Option(min=1, help="Histories of a step; else by the data.")] = None,
    context: Annotated[
        int | None, typer.Option(min=2, max=1000, help="Events read; else by the data.")
    ] = None,
    layers: Annotated[int, typer.Option(min=1)] = 2,
    width: Annotated[int, typer.Option(min=8)] = 64,
    words: Annotated[int | None, typer.Option(min=0, help="Buckets for items' words; 0: none.")] = None,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9)] = 0.3,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Train the GPT over items and actions, and write its checkpoint. A run that is there goes on.

    Each user's last event (or basket) is kept away from it, the one before is validation.
    Example: kefu train behaviour --interactions events.csv.gz --items items.csv.gz --out runs/shop --minutes 30
    """
    from model.interactions import DataError
    from model.train_behaviour import Settings, TrainingError
    from model.train_behaviour import train_behaviour as run

    console = Console(stderr=True)
    try:
        settings = Settings(
            minutes=minutes, epochs=epochs, patience=patience, protocol=protocol, learning_rate=learning_rate,
            rows=rows, context=context, layers=layers, width=width, words=words, dropout=dropout,
            threads=threads, device=device, seed=seed,
        )  # fmt: skip
        trained = run(interactions, items, out, settings, console).run
    except (DataError, TrainingError, ValueError) as error:
        raise TyperException(str(error)) from None
    shown = ("epochs", "steps", "seconds", "best_validation_ndcg@10")
    print(json.dumps({"out": str(out), **{name: trained[name] for name in shown}}))


@evaluate.command("suggest")
def evaluate_suggest(
    interactions: Annotated[Path, typer.Option(help="Events: CSV, JSONL, MovieLens or RecBole; also .gz.")],
    items: Annotated[Path | None, typer.Option(help="Items with titles and categories.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="What `kefu train behaviour` wrote; else one is trained here.")
    ] = None,
    baselines: Annotated[str, typer.Option(help="all, none, or names with commas.")] = "all",
    protocol: Annotated[
        Literal["last", "basket", "time"] | None, typer.Option(help="What is asked; else by the data.")
    ] = None,
    seen: Annotated[
        Literal["exclude", "include", "both"], typer.Option(help="Whether items that a user had are ranked.")
    ] = "exclude",
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Limit for each network; of one core on a CPU.")
    ] = 10.0,
    epochs: Annotated[int, typer.Option(min=1)] = 200,
    patience: Annotated[int, typer.Option(min=1)] = 10,
    context: Annotated[int | None, typer.Option(min=2, max=1000)] = None,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9)] = 0.3,
    out: Annotated[Path | None, typer.Option(help="Folder for a page with figures and a picture.")] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option()] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything.")] = False,
) -> None:
    """Measure suggestions on held-back events, beside baselines that are trained under the same protocol.

    Example: kefu evaluate suggest --interactions events.csv.gz --items items.csv.gz --checkpoint runs/shop --json
    """
    from model.interactions import DataError
    from model.recommender import RecommenderError
    from model.suggestion_report import RIVALS, EvaluationError, evaluate_suggestions, page
    from model.train_behaviour import Settings, TrainingError

    names = {"all": RIVALS, "none": ()}.get(baselines)
    if names is None:
        names = tuple(name.strip() for name in baselines.split(",") if name.strip())
    rules = {"both": ("exclude", "include")}.get(seen, (seen,))
    try:
        settings = Settings(
            minutes=minutes, epochs=epochs, patience=patience, context=context, dropout=dropout,
            threads=threads, device=device, seed=seed,
        )  # fmt: skip
        report = evaluate_suggestions(
            interactions, items, Console(stderr=True), checkpoint=checkpoint, baselines=names, protocol=protocol,
            seen=rules, settings=settings, out=out,
        )  # fmt: skip
    except (DataError, EvaluationError, RecommenderError, TrainingError) as error:
        raise TyperException(str(error)) from None
    except ModuleNotFoundError as error:
        raise TyperException(f"{error.name} is not installed; pip install 'kefu[evaluate]'") from None
    print(json.dumps(report) if as_json else page(report))
