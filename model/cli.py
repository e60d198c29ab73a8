"""Commands of the model: asking it in this process, and training it. They need the extra `worker`."""

import asyncio
import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from typer.exceptions import TyperException

from model.bench.cli import bench

if TYPE_CHECKING:
    from model.assistant import Assistant

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
train = typer.Typer(no_args_is_help=True, help="Train a model.")
app.add_typer(train, name="train")
evaluate = typer.Typer(no_args_is_help=True, help="Measure answers on questions that no training saw.")
app.add_typer(evaluate, name="evaluate")
app.add_typer(bench, name="bench")


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
    task: Annotated[
        Literal["answers", "handover", "retrieval", "intents"], typer.Option(help="What to measure.")
    ] = "answers",
    model: Annotated[str, typer.Option(help="builtin, passages, or a checkpoint's folder.")] = "builtin",
    baselines: Annotated[str, typer.Option(help="none, all, or names with commas.")] = "all",
    shop: Annotated[Path | None, typer.Option(help="Folder of the shop's data.")] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for a report with pictures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything.")] = False,
    made_up: Annotated[
        int, typer.Option(min=0, help="answers: ask so many made-up questions too, for unsupported facts.")
    ] = 0,
    train: Annotated[Path | None, typer.Option(help="intents: the file whose types are learned.")] = None,
    split: Annotated[
        Literal["rows", "families"] | None,
        typer.Option(help="intents: learn from nine tenths of --data, test on the rest."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="intents: where what was learned is kept [~/.cache/kefu/intents].")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1000, help="intents: training tokens of a network [1200000].")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="intents: threads of the CPU.")] = 1,
    seed: Annotated[int, typer.Option(help="intents: for the split and the training.")] = 1,
    encoder: Annotated[
        Literal["none", "vectors", "tuned"],
        typer.Option(help="intents: what is learned over the pretrained encoder, where it is installed."),
    ] = "tuned",
) -> None:
    """Measure answers to a file of questions, beside answering with the best passage alone; or with --task intents
    question types, on JSON lines with `text` (or `instruction`) and `intent`.

    Examples: kefu evaluate support --task answers --data tests/data/support_questions.jsonl --json
    kefu evaluate support --task intents --train train.jsonl --data test.jsonl --baselines all --json
    """
    if task == "intents":
        from model.checkpoint import CheckpointError
        from model.intents.command import evaluate_intents
        from model.intents.examples import IntentsError
        from model.intents.pretrained import PretrainedError

        try:
            evaluate_intents(
                data, train, split, baselines, model, report, cache, tokens, threads, seed, as_json, encoder
            )
        except (IntentsError, CheckpointError, PretrainedError) as error:
            raise TyperException(str(error)) from None
        return
    names = {"none": [], "all": ["kefu without meaning", "passages"]}.get(baselines)
    if names is None:
        names = [name.strip() for name in baselines.split(",") if name.strip()]
    known = {
        "kefu without meaning": (model, False),
        "passages": ("passages", False),
        "gemma": ("gemma", True),
        "gemma untuned": ("gemma untuned", True),
    }
    if wrong := [name for name in names if name not in known]:
        raise TyperException(f"no baseline is called {wrong[0]!r}; there are all, none, {', '.join(known)}")
    from rich.progress import Progress
    from rich.table import Table

    from model.many_questions import count_unsupported, make_questions
    from model.scorecard import QuestionsError, ask_all, read_questions
    from model.support_report import Task, flat, measure, unsupported_in, write_report

    try:
        questions = read_questions(data)
    except QuestionsError as error:
        raise TyperException(str(error)) from None
    rivals = {"kefu": (model, True)} | {name: known[name] for name in names}
    tasks: tuple[Task, ...] = ("answers", "handover", "retrieval") if report else (task,)
    figures: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in tasks}
    answers = {}
    with Progress(console=Console(stderr=True)) as progress:
        for name, (which, meaning) in rivals.items():
            bar = progress.add_task(name, total=len(questions))
            with _assistant(which, shop, meaning) as assistant:
                given, seconds = ask_all(assistant, questions, lambda bar=bar: progress.advance(bar))  # type: ignore[misc]
                answers[name] = given
                for one in tasks:
                    figures[one][name] = measure(one, assistant, questions, given)
                if "answers" in figures:
                    figures["answers"][name]["seconds_per_answer"] = round(seconds, 4)
                if "answers" in figures and made_up and name in ("kefu", "kefu without meaning"):
                    many = make_questions(assistant.shop, made_up, seed)
                    bar = progress.add_task(f"{name}, made up", total=made_up)
                    said, _ = ask_all(assistant, many, lambda bar=bar: progress.advance(bar))  # type: ignore[misc]
                    slips = [
                        unsupported_in(assistant, one, answer) for one, answer in zip(many, said, strict=True)
                    ]
                    figures["answers"][name]["made_up"] = count_unsupported(many, said, slips)
    if report:
        path = write_report(report, data, questions, answers, figures)
        Console(stderr=True).print(f"{path} written")
    if as_json:
        print(json.dumps({"task": task, "models": figures[task]}))
        return
    table = Table(task, *rivals)
    for name, _ in flat(figures[task]["kefu"]):
        values = (dict(flat(figures[task][rival])).get(name, "") for rival in rivals)
        table.add_row(name, *(f"{value:.3f}" if isinstance(value, float) else str(value) for value in values))
    Console().print(table)


@evaluate.command("precision")
def evaluate_precision(
    model: Annotated[str, typer.Option(help="builtin, or a checkpoint's folder.")] = "builtin",
    dialogues: Annotated[int, typer.Option(min=2, help="Made-up dialogues to read, half English.")] = 200,
    seed: Annotated[int, typer.Option()] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything.")] = False,
) -> None:
    """Perplexity in each precision beside fp32, on dialogues in wordings that training set aside.

    Example: kefu evaluate precision --dialogues 500 --json
    """
    from model.checkpoint import CheckpointError, load, shipped
    from model.evaluate import precisions

    try:
        checkpoint = load(shipped() if model == "builtin" else Path(model))
    except CheckpointError as error:
        raise TyperException(str(error)) from None
    result = precisions(checkpoint, dialogues, seed)
    if as_json:
        print(json.dumps(result))
        return
    for name, figures in result["precisions"].items():
        print(f"{name}: perplexity {figures['perplexity']:.4f}, {figures['change']:+.2%} against fp32")


@app.command("export")
def export_weights(
    model: Annotated[str, typer.Argument(help="A checkpoint's folder, or builtin.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
) -> None:
    """Write a plain checkpoint as a transformers model (Llama or Qwen 3), to serve it elsewhere.

    Example: kefu export runs/plain --out exported
    """
    from model.checkpoint import CheckpointError, load, shipped
    from model.export import ExportError, export

    try:
        checkpoint = load(shipped() if model == "builtin" else Path(model))
        architecture = export(checkpoint.model, checkpoint.tokenizer, out)
    except (CheckpointError, ExportError) as error:
        raise TyperException(str(error)) from None
    except ImportError:
        raise TyperException('transformers is missing; install it with: pip install "kefu[worker]"') from None
    print(f"{out}: {architecture}")


@contextmanager
def _assistant(model: str, shop: Path | None, meaning: bool = True) -> Iterator["Assistant"]:
    """An assistant, with the optional encoder or without; what cannot be loaded ends the command with one line."""
    from model.assistant import Assistant
    from model.checkpoint import CheckpointError
    from model.second_voice import VoiceError
    from model.shop import ShopError

    try:
        if model == "gemma untuned":
            from model.second_voice import gemma_file

            model = str(gemma_file())
        assistant = Assistant.load(model, shop, meaning=meaning)
    except (CheckpointError, ShopError, VoiceError) as error:
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
    pointer: Annotated[bool, typer.Option(help="Whether it copies from the context.")] = True,
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
            vocab_size=vocabulary, layers=layers, width=width, hidden=width * 8 // 3 // 64 * 64 or 64,
            pointer=pointer,
        )  # fmt: skip
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
    out: Annotated[Path | None, typer.Option(help="The checkpoint's folder, which gets the router.")] = None,
    shop: Annotated[
        Path | None, typer.Option(help="A shop's folder: teach its own questions too; it gets the router.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with support/, text/ and catalogue/.")] = None,
    questions: Annotated[
        int, typer.Option(min=10, help="Questions to make up for each type, aspect and language.")
    ] = 150,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    seed: Annotated[int, typer.Option()] = 1,
    meaning: Annotated[
        bool, typer.Option(help="Learn from the optional encoder's vectors too, if it is installed.")
    ] = True,
    ngrams: Annotated[
        bool, typer.Option(help="Learn the n-grams; else the router that is there stays, for its companion.")
    ] = True,
) -> None:
    """Train the router: the linear classifier of question types, and its companion over an encoder's vectors.

    Takes about four minutes, and six more for the vectors. A shop's routers go with the judge that ships.
    Example: kefu train types --data FOLDER --out runs/one, or kefu train types --shop FOLDER
    """
    import numpy as np
    import torch
    from rich.progress import Progress

    from model.data.asks import shipped_asks, type_of
    from model.data.corpus import Corpus, CorpusError, load_corpus
    from model.data.questions import labels_of, made_up_questions, questions_by_family
    from model.encoder import open_encoder
    from model.meaning import as_asked, train_meaning
    from model.router import Router, train_router
    from model.shop import Shop, ShopError

    out = out or shop
    if out is None or not out.is_dir():
        raise TyperException(
            f"{out or 'no --out'} is not a folder; give the one that `kefu train text` wrote, or --shop"
        )
    torch.set_num_threads(threads)
    try:
        corpus = load_corpus(data) if data else Corpus()
        own = Shop.load(shop).questions if shop else {}
    except (CorpusError, ShopError) as error:
        raise TyperException(str(error)) from None
    labels = labels_of(*(shipped_asks(language) for language in ("en", "zh")), *own.values())
    encoder = open_encoder(threads) if meaning else None
    router = None if ngrams else Router.load(out)
    with Progress(console=Console(stderr=True)) as progress:
        if router is None:
            examples = made_up_questions(corpus, questions, seed, own=own)
            task = progress.add_task(f"{len(examples)} questions", total=None)
            router = train_router(
                examples,
                labels,
                seed=seed,
                on_step=lambda step, steps, loss: progress.update(task, completed=step, total=steps),
            )
            router.save(out)
        if encoder:
            asked = [row for row in questions_by_family(2, 15, seed, corpus, own) if not row.held_out]
            vectors = [
                encoder.queries([as_asked(row.text) for row in asked[start : start + 64]])
                for start in progress.track(range(0, len(asked), 64), description="their meaning")
            ]
            train_meaning(
                np.concatenate(vectors), [row.label for row in asked], labels, encoder.name, seed=seed
            ).save(out)
    for language in ("en", "zh"):
        rows = made_up_questions(corpus, 10, seed + 1, held_out=True, languages=(language,))
        right = sum(router.likeliest_type(text) == type_of(label) for text, label in rows)
        print(
            f"{language}: {right / len(rows):.2f} of {len(rows)} questions in wordings that were set aside are right"
        )


@train.command("answerable")
def train_answerable(
    out: Annotated[Path, typer.Option(help="The checkpoint's folder, which gets the judge.")],
    data: Annotated[Path | None, typer.Option(help="Folder with support/, text/ and catalogue/.")] = None,
    recall: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of questions left open that are to be found.")
    ] = 0.8,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Fit the judge that says whether a question can be answered; needs the optional encoder.

    Looks at every question with classifiers that do not know its wording or its topic; takes about ten minutes.
    Example: kefu train answerable --data FOLDER --out runs/one
    """
    import torch
    from rich.progress import Progress

    from model.data.asks import shipped_asks
    from model.data.corpus import Corpus, CorpusError, load_corpus
    from model.data.questions import labels_of, questions_by_family
    from model.encoder import open_encoder
    from model.router import Router
    from model.shop import Shop
    from model.train_answerable import ROUNDS, Remembering, cases, fit, shares

    router = Router.load(out) if out.is_dir() else None
    if router is None:
        raise TyperException(f"{out} has no router; run `kefu train types --out {out}` first")
    encoder = open_encoder(threads)
    if encoder is None:
        raise TyperException("the encoder is missing; install it with: pip install 'kefu[meaning]'")
    torch.set_num_threads(threads)
    try:
        corpus = load_corpus(data) if data else Corpus()
    except CorpusError as error:
        raise TyperException(str(error)) from None
    rows = questions_by_family(2, 15, seed, corpus)
    labels = labels_of(*(shipped_asks(language) for language in ("en", "zh")))
    shop = Shop.load()
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("rounds", total=ROUNDS)
        found = cases(
            shop,
            router,
            rows,
            labels,
            Remembering(encoder),
            seed=seed,
            on_round=lambda _: progress.advance(bar),
        )
    judge = fit(found, recall=recall)
    judge.save(out)
    print(json.dumps(shares(found, judge)))


@train.command("voice")
def train_voice(
    base: Annotated[str, typer.Option(help="gemma, a .gguf file, a folder, or a name on the hub.")],
    out: Annotated[Path, typer.Option(help="Folder of the adapter; a run that is there goes on.")],
    minutes: Annotated[float, typer.Option(min=0.01, help="How long this call tunes.")],
    data: Annotated[Path | None, typer.Option(help="Folder with support/, text/ and catalogue/.")] = None,
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapter.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0.0)] = 5e-4,
    questions: Annotated[
        int, typer.Option(min=0, help="Questions of the exams before and after, in each language.")
    ] = 20,
    merge: Annotated[
        bool, typer.Option(help="Write OUT/merged too: base and adapter in one, for KEFU_MODEL.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Tune a bigger language model on our dialogues with LoRA: an adapter for a second voice. Resumes.

    Example: kefu train voice --base gemma --out runs/voice --minutes 60 --merge, then KEFU_MODEL=runs/voice/merged
    """
    try:
        from model.tune import TuneError, TuneSettings, tune_voice
    except ImportError as error:
        raise TyperException(f"{error.name} is not installed; pip install 'kefu[tune,train]'") from None
    from model.data.corpus import CorpusError
    from model.second_voice import VoiceError

    settings = TuneSettings(
        base,
        minutes,
        rank,
        learning_rate,
        questions=questions,
        merge=merge,
        seed=seed,
        threads=threads,
        device=device,
    )
    console = Console(stderr=True)
    try:
        record = tune_voice(data, out, settings, console)
    except (CorpusError, VoiceError, TuneError) as error:
        raise TyperException(str(error)) from None
    print(json.dumps({name: record[name] for name in ("dialogues", "steps", "seconds", "before", "after")}))


@evaluate.command("latency")
def evaluate_latency(
    items: Annotated[int, typer.Option(min=100, help="Products of the made-up catalogue.")] = 100_000,
    requests: Annotated[int, typer.Option(min=10)] = 300,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    index: Annotated[
        bool, typer.Option(help="Above 100,000: let an index propose, or score everything.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Time suggestions over a large made-up catalogue: scores, masks, variety; on one thread, one customer at a time.

    Examples: kefu evaluate latency --items 100000 --json
    kefu evaluate latency --items 1000000 --json
    """
    from rich.progress import Progress

    from model.latency import measure_latency

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("index", total=None, visible=index and items > 100_000)
        figures = measure_latency(
            items,
            requests,
            threads,
            use_index=index,
            on_step=lambda done, total: progress.update(task, completed=done, total=total),
        )
    print(json.dumps(figures) if as_json else "  ".join(f"{name} {value}" for name, value in figures.items()))


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
    layers: Annotated[int, typer.Option(min=1, help="Blocks of attention.")] = 1,
    recurrent: Annotated[int, typer.Option(min=0, help="Layers of an LSTM before them.")] = 1,
    width: Annotated[int, typer.Option(min=8)] = 64,
    words: Annotated[int | None, typer.Option(min=0, help="Buckets for items' words; 0: none.")] = None,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9)] = 0.3,
    head_start: Annotated[
        float,
        typer.Option(min=0.0, help="Size of the vectors that counts give items to begin with; 0: none."),
    ] = 0.04,
    weight_decay: Annotated[float, typer.Option(min=0.0)] = 0.0,
    negatives: Annotated[
        int | None,
        typer.Option(min=1, help="Items drawn for the loss; else all up to 50,000, on a CPU 3,000."),
    ] = None,
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
            rows=rows, context=context, layers=layers, recurrent=recurrent, width=width, words=words, dropout=dropout,
            head_start=head_start, weight_decay=weight_decay, negatives=negatives, threads=threads, device=device, seed=seed,
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
    rows: Annotated[int | None, typer.Option(min=1, help="Histories of a step; else by the data.")] = None,
    context: Annotated[int | None, typer.Option(min=2, max=1000)] = None,
    dropout: Annotated[float, typer.Option(min=0.0, max=0.9)] = 0.3,
    negatives: Annotated[
        int | None,
        typer.Option(min=1, help="Items drawn for a network's loss; else all up to 50,000, on a CPU 3,000."),
    ] = None,
    note: Annotated[str, typer.Option(help="A sentence for the page: what the data is, what to mind.")] = "",
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
            minutes=minutes, epochs=epochs, patience=patience, rows=rows, context=context, dropout=dropout,
            negatives=negatives, threads=threads, device=device, seed=seed,
        )  # fmt: skip
        report = evaluate_suggestions(
            interactions, items, Console(stderr=True), checkpoint=checkpoint, baselines=names, protocol=protocol,
            seen=rules, settings=settings, out=out, note=note,
        )  # fmt: skip
    except (DataError, EvaluationError, RecommenderError, TrainingError) as error:
        raise TyperException(str(error)) from None
    except ModuleNotFoundError as error:
        raise TyperException(f"{error.name} is not installed; pip install 'kefu[evaluate]'") from None
    print(json.dumps(report) if as_json else page(report))


@evaluate.command("new-items")
def evaluate_new_items(
    interactions: Annotated[Path, typer.Option(help="Events: CSV, JSONL, MovieLens or RecBole; also .gz.")],
    items: Annotated[Path, typer.Option(help="Items with titles, categories and descriptions.")],
    minutes: Annotated[float, typer.Option(min=0.01, help="Limit for each network, of one core.")] = 2.0,
    share: Annotated[float, typer.Option(min=0.01, max=0.5, help="Share of the items that is new.")] = 0.1,
    context: Annotated[int, typer.Option(min=2, max=1000, help="Events of a history that are read.")] = 50,
    rows: Annotated[int | None, typer.Option(min=1, help="Histories of a step; else by the data.")] = None,
    negatives: Annotated[
        int | None,
        typer.Option(min=1, help="Items drawn for the loss over ids; else all up to 50,000, on a CPU 3,000."),
    ] = None,
    note: Annotated[str, typer.Option(help="A sentence for the page: what the data is, what to mind.")] = "",
    out: Annotated[Path | None, typer.Option(help="Folder for a page with figures and a picture.")] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Where vectors of texts are kept [~/.cache/kefu/new-items].")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    seed: Annotated[int, typer.Option(help="For the items that are drawn and for every training.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with everything.")] = False,
) -> None:
    """Measure what can be suggested of items that nobody has used yet: by words, by texts' vectors, by semantic ids.

    Trains four networks here and needs the optional encoder; a text takes it up to a tenth of a second, once.
    Example: kefu evaluate new-items --interactions events.csv.gz --items items.csv.gz --minutes 1 --json
    """
    from model.interactions import DataError
    from model.new_items_report import evaluate_new_items as run
    from model.new_items_report import page
    from model.suggestion_report import EvaluationError
    from model.train_behaviour import Settings, TrainingError

    try:
        settings = Settings(
            minutes=minutes, context=context, rows=rows, negatives=negatives, validation_cases=500,
            layers=2, recurrent=0, threads=threads, seed=seed,
        )  # fmt: skip
        report = run(
            interactions, items, Console(stderr=True), settings=settings, share=share, out=out, cache=cache, note=note
        )  # fmt: skip
    except (DataError, EvaluationError, TrainingError) as error:
        raise TyperException(str(error)) from None
    except ModuleNotFoundError as error:
        raise TyperException(f"{error.name} is not installed; pip install 'kefu[evaluate]'") from None
    print(json.dumps(report) if as_json else page(report))
